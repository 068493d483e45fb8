/**
 * A folder that one process uses at a time. PGlite would let two in, and they would ruin it.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { HedgeError } from "../errors.ts";
import { unwritable } from "../files.ts";

const LOCK = "lock.json";

const holderSchema = z.strictObject({
  pid: z.int().positive(),
  /** When the process started, in the words of its system; a later process may have the same id. */
  started: z.string().max(64),
  since: z.string().max(64),
});
type Holder = z.infer<typeof holderSchema>;

/**
 * Makes the folder if need be, and takes it until the returned function is called. The lock of a process that is gone holds up nobody.
 * @throws HedgeError (input) that names the holder, or when the folder cannot be written
 */
export function lockFolder(folder: string): () => void {
  const path = join(folder, LOCK);
  const self: Holder = { pid: process.pid, started: startOf(process.pid) ?? "", since: new Date().toISOString() };
  try {
    mkdirSync(folder, { recursive: true });
    for (;;) {
      try {
        writeFileSync(path, JSON.stringify(self), { flag: "wx" });
        return () => rmSync(path, { force: true });
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      }
      const holder = readHolder(path);
      if (holder !== undefined && isAlive(holder)) {
        throw new HedgeError(
          "input",
          `${folder} is in use by process ${holder.pid} since ${holder.since}.`,
          "A folder's history is opened by one process at a time: stop that one, or record to a PostgreSQL server.",
        );
      }
      rmSync(path, { force: true });
    }
  } catch (error) {
    throw unwritable(folder, error);
  }
}

/** Undefined for a lock that was cut off while it was written, or that has gone. */
function readHolder(path: string): Holder | undefined {
  try {
    return holderSchema.parse(JSON.parse(readFileSync(path, "utf8")));
  } catch {
    return undefined;
  }
}

function isAlive({ pid, started }: Holder): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // Somebody else's process is there, too.
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
  }
  const now = startOf(pid);
  return now === undefined || started === "" || now === started;
}

/** Clock ticks from the machine's start to the process's: field 22 of proc(5)'s stat. Undefined where there is no /proc. */
function startOf(pid: number): string | undefined {
  try {
    // The second field, the program's name, may hold spaces and brackets.
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  } catch {
    return undefined;
  }
}
