/** A session thread that dies of some samples, as a native crash would let it. Echoes the others. */
import { parentPort } from "node:worker_threads";

parentPort.on("message", ({ id, values }) => {
  if (values[0] < 0) process.exit(1);
  parentPort.postMessage({ id, logits: values });
});
parentPort.postMessage({ ready: true });
