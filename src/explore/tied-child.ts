/** Programs that a bench or a test starts, and that know nothing of it: they go when it does. */
import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";

/**
 * Starts a program that is killed when this process exits. A signal that ends this process without an exit leaves it running: who may be
 * signalled calls `process.exit` then.
 * @param clean what is to be done once it was killed so, without waiting for anything
 */
export function spawnTied(
  program: string,
  args: readonly string[],
  options: SpawnOptions,
  clean: () => void,
): ChildProcess {
  const child = spawn(program, args, options);
  const end = () => {
    child.kill("SIGKILL");
    clean();
  };
  process.once("exit", end);
  child.once("exit", () => process.off("exit", end));
  return child;
}
