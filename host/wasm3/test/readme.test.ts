import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const here = fileURLToPath(new URL("..", import.meta.url));

test("the README's example prints what the README says", async () => {
  const readme = await readFile(join(here, "README.md"), "utf8");
  const [, code] = /```js\n(.*?)```/s.exec(readme)!;
  const [, output] = /```text\n(.*?)```/s.exec(readme)!;
  // Inside the package, where "@aspect/wasm3" is the package itself.
  const folder = await mkdtemp(join(here, "build", "readme-"));
  try {
    await writeFile(join(folder, "example.mjs"), code!);
    const { stdout } = await promisify(execFile)(process.execPath, [join(folder, "example.mjs")]);
    expect(stdout).toBe(output);
  } finally {
    await rm(folder, { recursive: true });
  }
});
