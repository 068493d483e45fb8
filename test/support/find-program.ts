/** Programs that `make test-deps` installs. */
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

/** The program's path; an Error that says what to install where there is none. */
export function findProgram(name: string): string {
  for (const folder of (process.env.PATH ?? "").split(delimiter)) {
    const path = join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Looked for in the next folder.
    }
  }
  throw new Error(`${name} is not installed: make test-deps`);
}
