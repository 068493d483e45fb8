/** Scenes in which something is gone: a worker, the broker, all workers, the store. Every sample has to be answered, rightly, all the same. */
import { setTimeout } from "node:timers/promises";
import { startPostgres } from "../postgres.ts";
import { ALWAYS, during, figuresOf, type LoadLog, type SpanFigures } from "./load-log.ts";
import { onStage, type Setting, type Stage } from "./stage.ts";

export interface OutageOptions {
  /** Seconds under load. */
  readonly seconds: number;
  /** Samples per second of all devices together. */
  readonly rate: number;
  readonly workers: number;
  readonly devices: number;
  /** Seconds that a sample may take beyond the outage before it counts as unanswered. Default 30. */
  readonly patience?: number;
}

export interface OutageFigures extends SpanFigures {
  readonly offered: number;
  /** Results that contradict an earlier one of the same sample. */
  readonly conflicts: number;
  /** Results for samples that had theirs, ignored by the devices. */
  readonly repeats: number;
  /** Offload frames sent. */
  readonly frames: number;
  /** How often something was taken away. */
  readonly outages: number;
  /** Workers that ended without being killed. */
  readonly exits: number;
  /** Milliseconds that the load itself was late, 99th percentile. */
  readonly lag: number;
}

const PATIENCE = 30;

/** kill -9 for one worker after the other, each replaced at once. */
export function killWorkers(setting: Setting, options: OutageOptions & { every: number }): Promise<OutageFigures> {
  return outage(setting, options, 0, async ({ tier }, end) => {
    let kills = 0;
    while (Date.now() + 1_000 * options.every < end) {
      await setTimeout(1_000 * options.every);
      setting.report("workers killed", kills + 1, Math.floor(options.seconds / options.every));
      await tier.replace(kills++ % options.workers);
    }
    await setTimeout(Math.max(0, end - Date.now()));
    return kills;
  });
}

/** kill -9 for the broker, and one that knows nothing in its place. */
export function killBroker(setting: Setting, options: OutageOptions & { every: number }): Promise<OutageFigures> {
  return outage(setting, options, 0, async (stage, end) => {
    let kills = 0;
    while (Date.now() + 1_000 * options.every < end) {
      await setTimeout(1_000 * options.every);
      setting.report("broker killed", ++kills, Math.floor(options.seconds / options.every));
      await stage.replaceBroker();
    }
    await setTimeout(Math.max(0, end - Date.now()));
    return kills;
  });
}

/** kill -9 for all workers; new ones after `away` seconds, in the middle of the time under load. */
export function withoutWorkers(setting: Setting, options: OutageOptions & { away: number }): Promise<OutageFigures> {
  const { away, seconds } = options;
  return outage(setting, options, away, async ({ tier }, end) => {
    const margin = 500 * (seconds - away);
    await setTimeout(margin);
    await tier.killAll();
    setting.report("no worker", 0, away);
    await setTimeout(1_000 * away);
    await tier.startAll();
    await setTimeout(Math.max(0, end - Date.now()));
    return 1;
  });
}

export interface StoreFigures extends OutageFigures {
  /** 99th percentile of the latency while the store is gone, over that before. */
  readonly p99Ratio: number;
  /** Samples that the store knows of in the end. */
  readonly stored: number;
}

/** PostgreSQL is stopped for `away` seconds, in the middle of the time under load. */
export async function withoutStore(setting: Setting, options: OutageOptions & { away: number }): Promise<StoreFigures> {
  const { seconds, rate, devices, workers, away, patience = PATIENCE } = options;
  const store = await startPostgres();
  try {
    const workerOptions = ["--history", store.url];
    return await onStage(setting, { workers, workerOptions }, async (stage) => {
      const load = await stage.load({ name: "d", devices, deadline: 1_000 * patience });
      await load.pace(rate);
      const margin = 500 * (seconds - away);
      await setTimeout(margin / 2);
      const before = await during(() => setTimeout(margin / 2));
      await store.stop();
      setting.report("no store", 0, 0);
      const gone = await during(() => setTimeout(1_000 * away));
      await store.start();
      await setTimeout(margin);
      const log = await load.finish();
      // What they hold is written before they end.
      await stage.tier.stop();
      const [row] = await store.query("SELECT count(*)::integer AS samples FROM samples");
      return {
        ...outageFigures(log, seconds),
        outages: 1,
        exits: stage.tier.exits,
        p99Ratio: figuresOf(log, gone).p99 / figuresOf(log, before).p99,
        stored: Number(row?.samples),
      };
    });
  } finally {
    await store.close();
  }
}

/**
 * Devices under load while `happen` takes something away; it resolves, at `end` at the earliest, to how often it did.
 * @param away seconds in which nobody answers
 */
async function outage(
  setting: Setting,
  { seconds, rate, devices, workers, patience = PATIENCE }: OutageOptions,
  away: number,
  happen: (stage: Stage, end: number) => Promise<number>,
): Promise<OutageFigures> {
  return onStage(setting, { workers }, async (stage) => {
    const load = await stage.load({ name: "d", devices, deadline: 1_000 * (patience + away) });
    await load.pace(rate);
    const outages = await happen(stage, Date.now() + 1_000 * seconds);
    await stage.tier.ready();
    const log = await load.finish();
    return { ...outageFigures(log, seconds), outages, exits: stage.tier.exits };
  });
}

function outageFigures(log: LoadLog, seconds: number): Omit<OutageFigures, "outages" | "exits"> {
  const { offered, conflicts, repeats, frames, lag } = log;
  const figures = figuresOf(log, ALWAYS);
  // A sample without any end would be a defect of the device; it counts as unanswered.
  const unanswered = figures.unanswered + offered - figures.samples;
  return { ...figures, unanswered, throughput: figures.right / seconds, offered, conflicts, repeats, frames, lag };
}
