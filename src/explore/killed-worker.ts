/**
 * The offloaded path when its worker dies: every sample goes through an embedded broker to a worker in a process of its own, which is
 * killed in the middle without a word and started again.
 */
import type { Bundle } from "../bundle/bundle.ts";
import { requireHybrid } from "../bundle/manifest.ts";
import { startBroker } from "../cloud/broker.ts";
import { type Answer, DeviceClient } from "../device/client.ts";
import { openEngine } from "../engine/open.ts";
import type { Report } from "./run-edge.ts";
import { finalOfEngine } from "./whole.ts";
import { startWorkerProcess } from "./worker-process.ts";

export interface KilledWorkerOptions {
  readonly bundle: Bundle;
  /** Where the bundle lies, for the worker's process. */
  readonly folder: string;
  /** Path of the command line's main file, to start workers with. */
  readonly hedge: string;
  /** 8-bit integers (pixel - zero), CHW. */
  readonly images: readonly Int8Array[];
  /** Milliseconds until a sample falls back to its exit's answer; long enough to start a worker on a busy machine. */
  readonly deadline?: number;
  /** False leaves the worker dead: what is then lost shows that losses are seen. */
  readonly restart?: boolean;
  readonly report: Report;
}

export interface KilledWorkerRun {
  readonly samples: number;
  /** Answered by a worker, once each as far as the device is concerned. */
  readonly answered: number;
  /** Samples without a confirmed answer: fallbacks at the deadline count as lost. */
  readonly lost: number;
  /** Confirmed answers with another label than the cloud half gives without a network. */
  readonly wrong: number;
  /** Frames sent; more than samples, because some went to a worker that was dead. */
  readonly offered: number;
  /** Results for samples that had theirs, ignored. */
  readonly duplicates: number;
}

const DEADLINE = 60_000;

/**
 * Sends every image to the cloud (exit threshold 0) from one device on wasm3.
 * @throws HedgeError: input for a bundle without a cloud part, network when a worker does not come up
 */
export async function runKilledWorker(options: KilledWorkerOptions): Promise<KilledWorkerRun> {
  const { bundle, images, report, deadline = DEADLINE } = options;
  requireHybrid(bundle.manifest);
  const { finalLabels } = await finalOfEngine({ bundle, images, threads: 1, kind: "v8", report });
  const broker = await startBroker();
  const closers: (() => Promise<unknown>)[] = [() => broker.close()];
  try {
    const start = async () => {
      const worker = await startWorkerProcess(options.hedge, options.folder, broker.url);
      closers.push(() => worker.kill());
      return worker;
    };
    const first = await start();
    const device = await DeviceClient.connect({
      id: "bench-device",
      broker: broker.url,
      engine: openEngine(bundle, "wasm3", { threshold: 0 }),
      digest: bundle.digest,
      deadline,
    });
    closers.push(() => device.close());
    const waiting: Promise<Answer>[] = [];
    let replaced: Promise<unknown> = Promise.resolve();
    for (const [i, image] of images.entries()) {
      waiting.push((await device.submit(image)).answer);
      if (i === images.length >> 1) {
        await first.kill();
        // Samples go on coming while nobody is there to take them.
        if (options.restart !== false) replaced = start();
        // Awaited below; a rejection must not count as unhandled until then.
        replaced.catch(() => {});
      }
      report("worker killed in the middle: image", i + 1, images.length);
    }
    await replaced;
    const answers = await Promise.all(waiting);
    const { answered, offered, duplicates } = device.counts;
    return {
      samples: images.length,
      answered,
      lost: answers.filter(({ confirmed }) => !confirmed).length,
      wrong: answers.filter(({ confirmed, label }, i) => confirmed && label !== finalLabels[i]).length,
      offered,
      duplicates,
    };
  } finally {
    for (const close of closers.reverse()) await close();
  }
}
