/**
 * A folder that one process uses at a time: PGlite would let two in, and they would ruin it. Whoever wants it leaves a file that bears his name,
 * and then looks for others: of two who come at once, both may go away, but never do both stay.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { HedgeError } from "../errors.ts";
import { unwritable } from "../files.ts";

/** `lock-PID-START`. A later process may have the same id, but not the same start. */
const LOCK = /^lock-(\d{1,10})-(\d{1,20})$/;

/** Locks that this process holds. */
const held = new Set<string>();

/**
 * Makes the folder if need be, and takes it until the returned function is called. The lock of a process that is gone holds up nobody.
 * @throws HedgeError (input) that names the holder, or when the folder cannot be written
 */
export function lockFolder(folder: string): () => void {
  const own = `lock-${process.pid}-${startOf(process.pid) ?? 0}`;
  const path = join(folder, own);
  if (held.has(path)) throw inUse(folder, own);
  try {
    mkdirSync(folder, { recursive: true });
    writeFileSync(path, "");
  } catch (error) {
    throw unwritable(folder, error);
  }
  held.add(path);
  const release = () => {
    held.delete(path);
    rmSync(path, { force: true });
  };
  try {
    for (const name of readdirSync(folder)) {
      if (name === own || !LOCK.test(name)) continue;
      if (isHeld(name)) throw inUse(folder, name);
      rmSync(join(folder, name), { force: true });
    }
    return release;
  } catch (error) {
    release();
    throw unwritable(folder, error);
  }
}

function inUse(folder: string, lock: string): HedgeError {
  const [, pid] = LOCK.exec(lock) as RegExpExecArray;
  const since = statSync(join(folder, lock), { throwIfNoEntry: false })?.mtime.toISOString() ?? "just now";
  const remedy =
    "A folder's history is opened by one process at a time: stop that one, or keep it on a PostgreSQL server.";
  return new HedgeError("input", `${folder} is in use by process ${pid}, since ${since}.`, remedy);
}

function isHeld(lock: string): boolean {
  const [, pid, start] = LOCK.exec(lock) as RegExpExecArray;
  try {
    process.kill(Number(pid), 0);
  } catch (error) {
    // Somebody else's process is there, too.
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
  }
  const now = startOf(Number(pid));
  return now === undefined || now === start;
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
