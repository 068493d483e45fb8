/** A thread that has a shard of a fleet's devices: takes requests, answers each. Started by compute-pool.ts. */
import { parentPort, workerData } from "node:worker_threads";
import { HedgeError } from "../errors.ts";
import type { Answer, Request, ThreadData } from "./compute-pool.ts";
import { Shard } from "./shard.ts";

const { kind, models, devices } = workerData as ThreadData;

function post(answer: Answer): void {
  parentPort!.postMessage(answer);
}

/** Errors lose their class on the way between threads. */
function failure(id: number, error: unknown): Answer {
  if (!(error instanceof HedgeError)) return { id, crash: error };
  const { kind, message, remedy } = error;
  return { id, error: { kind, message, remedy } };
}

async function answer(shard: Shard, request: Request): Promise<unknown> {
  switch (request.what) {
    case "run":
      return shard.run(request.device, request.model, request.threshold, request.sample);
    case "finish":
      return await shard.finish(request.model, request.payload);
    case "reset":
      return shard.reset(request.device);
    case "imageBytes":
      return shard.imageBytes;
  }
}

try {
  const shard = new Shard(kind, models, devices);
  parentPort!.on("message", ({ id, request }: { id: number; request: Request }) => {
    answer(shard, request).then(
      (value) => post({ id, value }),
      (error) => post(failure(id, error)),
    );
  });
  post({ id: 0, value: undefined });
} catch (error) {
  post(failure(0, error));
}
