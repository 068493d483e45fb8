/** The offloaded path, whole: devices on an engine, an embedded broker, a worker; nothing of it simulated. */
import { pino } from "pino";
import type { Bundle } from "../bundle/bundle.ts";
import { startBroker } from "../cloud/broker.ts";
import { startWorker } from "../cloud/worker.ts";
import { type Answer, DeviceClient } from "../device/client.ts";
import type { Engine } from "../engine/engine.ts";
import type { Report } from "./run-edge.ts";

export interface OffloadRun {
  /** One per sample, in order. */
  readonly answers: readonly Answer[];
  /** Frames on the wire per offloaded sample, in bytes. */
  readonly bytesPerOffload: number;
}

/** Milliseconds; far beyond what a sample takes, so that a late answer shows as lost and not as noise. */
const DEADLINE = 60_000;

/** Sends the samples through one device; the engine is closed with it. */
export async function runOffload(
  bundle: Bundle,
  engine: Engine,
  images: readonly Int8Array[],
  report: Report,
): Promise<OffloadRun> {
  const broker = await startBroker();
  try {
    const log = pino({ level: "silent" });
    const worker = await startWorker({ broker: broker.url, bundles: [bundle], name: "eval-worker", log });
    try {
      const options = { id: "eval-device", broker: broker.url, engine, digest: bundle.digest, deadline: DEADLINE };
      const device = await DeviceClient.connect(options);
      try {
        const waiting: Promise<Answer>[] = [];
        for (const [i, image] of images.entries()) {
          waiting.push((await device.submit(image)).answer);
          report("offloaded path: image", i + 1, images.length);
        }
        const answers = await Promise.all(waiting);
        const { offered, offeredBytes } = device.counts;
        return { answers, bytesPerOffload: offered === 0 ? 0 : offeredBytes / offered };
      } finally {
        await device.close();
      }
    } finally {
      await worker.stop();
    }
  } finally {
    await broker.close();
  }
}
