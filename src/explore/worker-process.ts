/** A worker as a process of its own, as it is in the field. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { HedgeError } from "../errors.ts";

export interface WorkerProcess {
  readonly pid: number;
  /** Whether it has ended, by itself or otherwise. */
  readonly ended: boolean;
  /** Lets it answer what it took. */
  stop(): Promise<void>;
  /** Ends it as a power cut does: nothing is answered, nothing said to the broker. */
  kill(): Promise<void>;
}

/** A device of a demonstration or a bench sends as fast as it can. */
const NO_QUOTA = ["--quota", "0"];

/**
 * Starts `hedge worker` and waits until it is ready. It ends when this process does.
 * @param hedge path of the command line's main file
 * @param folder of the bundle that it serves
 * @param more options of the command; default: no quota
 * @throws HedgeError (network) with what the worker said when it does not come up
 */
export async function startWorkerProcess(
  hedge: string,
  folder: string,
  broker: string,
  more: readonly string[] = NO_QUOTA,
): Promise<WorkerProcess> {
  const child = spawn(process.execPath, [hedge, "worker", folder, "--broker", broker, "--quiet", ...more], {
    // The channel is how it notices that this process is gone.
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  let errors = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    errors = (errors + text).slice(-2_000);
  });
  const ended = once(child, "close");
  const lines = createInterface(child.stdout as NodeJS.ReadableStream);
  const ready = once(lines, "line").then(() => true);
  if (!(await Promise.race([ready, ended.then(() => false)]))) {
    throw new HedgeError(
      "network",
      `The worker did not start: ${errors.trim() || "it said nothing"}`,
      "Start it by hand to see more: hedge worker --help",
    );
  }
  const end = async (signal: NodeJS.Signals) => {
    child.kill(signal);
    await ended;
  };
  return {
    pid: child.pid as number,
    get ended() {
      return child.exitCode !== null || child.signalCode !== null;
    },
    stop: () => end("SIGTERM"),
    kill: () => end("SIGKILL"),
  };
}
