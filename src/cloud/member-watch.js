// @ts-check
/**
 * A thread beside the one that runs cloud parts: that one may hang in native code, and sees then neither that its parent is gone nor how much
 * memory it takes.
 */
import { workerData } from "node:worker_threads";

/** Milliseconds between looks. */
const PERIOD = 100;

/** `memory`: most bytes that the process may hold. */
const { parent, memory } = /** @type {{ parent: number, memory: number }} */ (workerData);

setInterval(() => {
  if (process.ppid !== parent || process.memoryUsage.rss() > memory) process.kill(process.pid, "SIGKILL");
}, PERIOD);
