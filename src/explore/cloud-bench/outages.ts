/** Scenes in which something is gone: a worker, the broker, all workers. Every sample has to be answered, rightly, all the same. */
import { setTimeout } from "node:timers/promises";
import { ALWAYS, figuresOf, type LoadLog, type SpanFigures } from "./load-log.ts";
import { onStage, type Setting, type Stage, type StageOptions } from "./stage.ts";

export interface OutageOptions {
  /** Seconds under load. */
  readonly seconds: number;
  /** Samples per second of all devices together. */
  readonly rate: number;
  readonly workers: number;
  readonly devices: number;
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

/** Milliseconds that a sample may take beyond the outage. */
const PATIENCE = 30_000;

/** kill -9 for one worker after the other, each replaced at once. */
export function killWorkers(setting: Setting, options: OutageOptions & { every: number }): Promise<OutageFigures> {
  return outage(setting, options, {}, async ({ tier }, end) => {
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
  return outage(setting, options, {}, async (stage, end) => {
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
  return outage(setting, options, { deadline: PATIENCE + 1_000 * away }, async ({ tier }, end) => {
    const margin = (500 * (seconds - away)) | 0;
    await setTimeout(margin);
    await tier.killAll();
    setting.report("no worker", 0, away);
    await setTimeout(1_000 * away);
    await tier.startAll();
    await setTimeout(Math.max(0, end - Date.now()));
    return 1;
  });
}

/** Devices under load while `happen` takes something away; it resolves, at `end` at the earliest, to how often it did. */
async function outage(
  setting: Setting,
  { seconds, rate, devices, workers }: OutageOptions,
  { deadline = PATIENCE, ...stageOptions }: Partial<StageOptions> & { deadline?: number },
  happen: (stage: Stage, end: number) => Promise<number>,
): Promise<OutageFigures> {
  return onStage(setting, { workers, ...stageOptions }, async (stage) => {
    const load = await stage.load({ name: "d", devices, deadline });
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
