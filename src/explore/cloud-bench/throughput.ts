/** What a worker finishes under full load, against onnxruntime alone with batches of the same size on the same cores, in turn. */
import { availableParallelism } from "node:os";
import { setTimeout } from "node:timers/promises";
import { freePort } from "../mosquitto.ts";
import { BareProcess } from "./bare-process.ts";
import { percentile } from "./load-log.ts";
import type { LoadProcess } from "./load-process.ts";
import { pinTo } from "./process-tree.ts";
import { Scrape } from "./scrape.ts";
import { onStage, type Setting, type Stage } from "./stage.ts";

export interface ThroughputOptions {
  /** Those that compute. Broker and devices have the others; where none are left, they are on these too. */
  readonly cores: readonly number[];
  readonly maxBatch: number;
  /** Seconds of each side in each round. */
  readonly seconds: number;
  readonly rounds: number;
}

/** Of one side: medians of the rounds. */
export interface Speed {
  readonly perSecond: number;
  /** Milliseconds, of all its processes. */
  readonly cpuPerSample: number;
}

export interface ThroughputFigures {
  readonly worker: Speed;
  readonly bare: Speed;
  /** Mean size of what the worker ran at once; onnxruntime alone had the same, rounded. */
  readonly batch: number;
  /** Worker over onnxruntime alone, median of the rounds: samples in the same time, and in the same CPU time. */
  readonly byTime: number;
  readonly byCpu: number;
  /** Of the cores that compute, while the worker had them. */
  readonly busy: number;
}

interface Round {
  readonly worker: Speed;
  readonly bare: Speed;
  readonly batch: number;
  readonly busy: number;
}

const DEVICES = 32;
const IN_FLIGHT = 8;
const DEADLINE = 120_000;
/** Samples before anything is measured: until then compilers and caches are at work. */
const WARM = 2_000;

export async function throughput(setting: Setting, options: ThroughputOptions): Promise<ThroughputFigures> {
  const { cores, maxBatch, seconds, rounds } = options;
  const http = `127.0.0.1:${await freePort()}`;
  const size = ["--processes", String(cores.length), "--max-batch", String(maxBatch)];
  const workerOptions = [...size, "--max-pending", String(DEVICES * IN_FLIGHT), "--quota", "0", "--http", http];
  return onStage(setting, { workers: 1, workerOptions }, async (stage) => {
    const bare = await Promise.all(cores.map(() => BareProcess.start(setting)));
    try {
      const load = await stage.load({ name: "d", devices: DEVICES, deadline: DEADLINE, maxInFlight: IN_FLIGHT });
      const rest = Array.from({ length: availableParallelism() }, (_, core) => core).filter((k) => !cores.includes(k));
      await stage.pin(cores, rest.length > 0 ? rest : cores);
      for (const { pid } of bare) pinTo(cores, pid);
      await load.pace("full");
      while ((await load.counts()).ended < WARM) await setTimeout(100);
      const results: Round[] = [];
      for (let round = 0; round < rounds; round++) {
        setting.report(`cores: ${cores.length}, batches of at most ${maxBatch}: round`, round, rounds);
        const worker = await workersTurn(stage, load, http, seconds);
        await load.settle();
        const alone = await alonesTurn(bare, Math.max(1, Math.round(worker.batch)), seconds);
        results.push({ ...worker, bare: alone, busy: worker.busy / cores.length });
      }
      return summary(results);
    } finally {
      await Promise.all(bare.map((process) => process.kill()));
    }
  });
}

async function workersTurn(
  stage: Stage,
  load: LoadProcess,
  http: string,
  seconds: number,
): Promise<Omit<Round, "bare">> {
  const look = async () => {
    const [{ ended }, { cpuSeconds }, metrics] = await Promise.all([load.counts(), stage.tier.use(), Scrape.of(http)]);
    return { ended, cpuSeconds, metrics, at: performance.now() };
  };
  await load.pace("full");
  // Until the queues are as full as they get.
  await setTimeout(1_000);
  const from = await look();
  await setTimeout(1_000 * seconds);
  const to = await look();
  const [samples, time] = [to.ended - from.ended, (to.at - from.at) / 1_000];
  const cpu = to.cpuSeconds - from.cpuSeconds;
  return {
    worker: { perSecond: samples / time, cpuPerSample: (1_000 * cpu) / samples },
    batch: to.metrics.meanSince(from.metrics, "hedge_batch_size"),
    busy: cpu / time,
  };
}

async function alonesTurn(bare: readonly BareProcess[], batch: number, seconds: number): Promise<Speed> {
  const runs = await Promise.all(bare.map((process) => process.run(batch, seconds)));
  const samples = runs.reduce((sum, run) => sum + run.samples, 0);
  const cpuSeconds = runs.reduce((sum, run) => sum + run.cpuSeconds, 0);
  const perSecond = runs.reduce((sum, run) => sum + run.samples / run.seconds, 0);
  return { perSecond, cpuPerSample: (1_000 * cpuSeconds) / samples };
}

function summary(rounds: readonly Round[]): ThroughputFigures {
  const median = (of: (round: Round) => number) => percentile(rounds.map(of), 50);
  const speed = (of: (round: Round) => Speed): Speed => ({
    perSecond: median((round) => of(round).perSecond),
    cpuPerSample: median((round) => of(round).cpuPerSample),
  });
  return {
    worker: speed((round) => round.worker),
    bare: speed((round) => round.bare),
    batch: median((round) => round.batch),
    byTime: median(({ worker, bare }) => worker.perSecond / bare.perSecond),
    byCpu: median(({ worker, bare }) => bare.cpuPerSample / worker.cpuPerSample),
    busy: median((round) => round.busy),
  };
}
