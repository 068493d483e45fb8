/**
 * The whole road at once: a broker, a worker in its own process, and several devices that classify real images on their engines.
 */
import type { Bundle } from "../bundle/bundle.ts";
import { startBroker } from "../cloud/broker.ts";
import { type Answer, DeviceClient, type DeviceCounts } from "../device/client.ts";
import type { EngineKind, EngineMemory } from "../engine/engine.ts";
import { openEngine } from "../engine/open.ts";
import { CloudHalf } from "./cloud-half.ts";
import type { Samples } from "./samples.ts";
import { type StepTimes, TimedEngine } from "./timed-engine.ts";
import { startWorkerProcess } from "./worker-process.ts";

export interface DemoOptions {
  readonly bundle: Bundle;
  /** Where the bundle lies, for the worker's process. */
  readonly folder: string;
  /** Path of the command line's main file, to start the worker with. */
  readonly hedge: string;
  readonly samples: Samples;
  readonly devices: number;
  readonly engine: EngineKind;
  /** Nats; default the bundle's. */
  readonly threshold?: number | undefined;
  /** Called after every answer. */
  readonly onProgress: (state: DemoState) => void;
  /** Called while the whole network is run on every image, for comparison. */
  readonly onCompare: (done: number, total: number) => void;
}

/** What is known while it runs. */
export interface DemoState {
  readonly devices: readonly DeviceState[];
  readonly total: number;
  readonly seconds: number;
}

export interface DeviceState {
  readonly name: string;
  /** Images that this device is to classify. */
  readonly images: number;
  readonly answers: number;
  /** Of the answers: right ones. */
  readonly right: number;
  readonly counts: Readonly<DeviceCounts>;
}

/** Shares of 1, bytes, milliseconds. */
export interface DemoReport {
  readonly model: string;
  readonly engine: EngineKind;
  readonly devices: number;
  readonly images: number;
  readonly threshold: number;
  /** Answered on the device. */
  readonly coverage: number;
  readonly accuracy: {
    /** Of the images that the devices were sure of. */
    readonly edge: number;
    /** Of the images that went to the cloud. */
    readonly offloaded: number;
    readonly overall: number;
    /** The whole network, with the cloud part at full precision, on every image. */
    readonly whole: number;
    /** The exit alone on every image. */
    readonly exit: number;
  };
  readonly offloaded: number;
  readonly unconfirmed: number;
  /** Images without any answer. */
  readonly lost: number;
  /** One frame on average. */
  readonly bytesPerOffload: number;
  readonly payloadBytes: number;
  readonly step: { readonly mean: number; readonly longest: number; readonly perImage: number };
  readonly moduleBytes: number;
  readonly weightBytes: number;
  readonly memory: EngineMemory;
  /** From the first image to the last answer. */
  readonly seconds: number;
}

/** Milliseconds; long enough for a busy machine to answer everything. */
const DEADLINE = 60_000;

interface Run {
  readonly name: string;
  readonly client: DeviceClient;
  readonly engine: TimedEngine;
  /** Indices of its images. */
  readonly images: readonly number[];
  answers: number;
  right: number;
}

/** Runs the demonstration; throws HedgeErrors of its parts. */
export async function runDemo(options: DemoOptions): Promise<DemoReport> {
  const { bundle, folder, hedge, samples, onCompare } = options;
  const closers: (() => Promise<unknown>)[] = [];
  const answers = new Array<Answer | undefined>(samples.images.length).fill(undefined);
  const runs: Run[] = [];
  let seconds = 0;
  let memory: EngineMemory;
  let threshold: number;
  try {
    const broker = await startBroker();
    closers.push(() => broker.close());
    const worker = await startWorkerProcess(hedge, folder, broker.url);
    closers.push(() => worker.stop());
    for (let d = 0; d < options.devices; d++) {
      const run = await startDevice(options, broker.url, d);
      runs.push(run);
      closers.push(() => run.client.close());
    }
    ({ memory, threshold } = (runs[0] as Run).engine);
    const started = performance.now();
    const tell = () => {
      const devices = runs.map(({ name, images, answers, right, client }) => {
        return { name, images: images.length, answers, right, counts: client.counts };
      });
      options.onProgress({ devices, total: samples.images.length, seconds: (performance.now() - started) / 1000 });
    };
    tell();
    await Promise.all(runs.map((run) => drive(run, samples, answers, tell)));
    seconds = (performance.now() - started) / 1000;
  } finally {
    for (const close of closers.reverse()) await close();
  }
  const { exit, whole } = await compare(bundle, samples, onCompare);
  return report(options, runs, answers, { exit, whole }, { memory, threshold, seconds });
}

async function startDevice(options: DemoOptions, broker: string, d: number): Promise<Run> {
  const { bundle, samples, devices, threshold } = options;
  const engine = new TimedEngine(openEngine(bundle, options.engine, { threshold }));
  const name = `device-${d + 1}`;
  const client = await DeviceClient.connect({ id: name, broker, engine, digest: bundle.digest, deadline: DEADLINE });
  const images = Array.from(samples.images.keys()).filter((i) => i % devices === d);
  return { name, client, engine, images, answers: 0, right: 0 };
}

/** A device takes the next image while earlier ones wait for the cloud. */
async function drive(run: Run, samples: Samples, answers: (Answer | undefined)[], tell: () => void): Promise<void> {
  const waiting: Promise<void>[] = [];
  for (const i of run.images) {
    const { answer } = await run.client.submit(samples.images[i] as Int8Array);
    waiting.push(
      answer.then((answer) => {
        answers[i] = answer;
        run.answers++;
        if (answer.label === samples.labels[i]) run.right++;
        tell();
      }),
    );
  }
  await Promise.all(waiting);
}

/** Accuracy of the exit alone and of the whole network on every image, on the fast engine and onnxruntime. */
async function compare(
  bundle: Bundle,
  { images, labels }: Samples,
  onCompare: (done: number, total: number) => void,
): Promise<{ exit: number; whole: number }> {
  const BATCH = 25;
  const classes = bundle.manifest.classes.length;
  const engine = openEngine(bundle, "v8", { threshold: 0 });
  const cloud = await CloudHalf.open(bundle);
  let [exit, whole] = [0, 0];
  for (let from = 0; from < images.length; from += BATCH) {
    onCompare(from, images.length);
    const edge = images.slice(from, from + BATCH).map((image) => engine.classify(image));
    const logits = await cloud.run(edge.map(({ payload }) => payload as Uint8Array));
    edge.forEach(({ label }, k) => {
      const own = logits.subarray(k * classes, (k + 1) * classes);
      if (label === labels[from + k]) exit++;
      if (own.indexOf(Math.max(...own)) === labels[from + k]) whole++;
    });
  }
  await cloud.close();
  engine.close();
  return { exit: exit / images.length, whole: whole / images.length };
}

function report(
  { bundle, samples, devices, engine }: DemoOptions,
  runs: readonly Run[],
  answers: readonly (Answer | undefined)[],
  { exit, whole }: { exit: number; whole: number },
  measured: { memory: EngineMemory; threshold: number; seconds: number },
): DemoReport {
  const sum = (of: (run: Run) => number) => runs.reduce((total, run) => total + of(run), 0);
  const share = (part: number, all: number) => (all === 0 ? 0 : part / all);
  const right = (keep: (answer: Answer) => boolean): [right: number, all: number] => {
    const kept = [...answers.entries()].filter(([, answer]) => answer !== undefined && keep(answer));
    return [kept.filter(([i, answer]) => answer?.label === samples.labels[i]).length, kept.length];
  };
  const total = samples.images.length;
  const times = runs.map((run): StepTimes => run.engine.times);
  const steps = sum((run) => run.engine.times.count);
  const { manifest, edgeWasm, weights } = bundle;
  return {
    model: manifest.name,
    engine,
    devices,
    images: total,
    threshold: measured.threshold,
    coverage: share(
      sum((run) => run.client.counts.exited),
      total,
    ),
    accuracy: {
      edge: share(...right(({ source }) => source === "edge")),
      offloaded: share(...right(({ source }) => source !== "edge")),
      overall: share(right(() => true)[0], total),
      whole,
      exit,
    },
    offloaded: sum((run) => run.client.counts.offloaded),
    unconfirmed: sum((run) => run.client.counts.unconfirmed),
    lost: answers.filter((answer) => answer === undefined).length,
    bytesPerOffload: share(
      sum((run) => run.client.counts.offeredBytes),
      sum((run) => run.client.counts.offered),
    ),
    payloadBytes: manifest.payload?.bytes ?? 0,
    step: {
      mean: share(
        sum((run) => run.engine.times.total),
        steps,
      ),
      longest: Math.max(...times.map(({ longest }) => longest)),
      perImage: share(steps, total),
    },
    moduleBytes: edgeWasm.length,
    weightBytes: weights.length,
    memory: measured.memory,
    seconds: measured.seconds,
  };
}
