/** Scenes in which one device does harm: what do the others notice? */
import { setTimeout } from "node:timers/promises";
import { during, figuresOf, type LoadLog, type Span, type SpanFigures } from "./load-log.ts";
import type { LoadProcess } from "./load-process.ts";
import { onStage, type Setting, type Stage, type StageOptions } from "./stage.ts";

export interface DisturbedOptions extends StageOptions {
  /** Of each span; quiet and disturbed ones take turns. */
  readonly seconds: number;
  /** Pairs of spans. */
  readonly turns: number;
  /** Samples per second of all devices together. */
  readonly rate: number;
  readonly devices: number;
}

export interface DisturbedFigures {
  readonly quiet: SpanFigures;
  readonly disturbed: SpanFigures;
  /** Right answers to the others while they are disturbed, in percent of those while they are not. */
  readonly others: number;
  /** 99th percentile of the others' latency, disturbed over quiet. */
  readonly p99Ratio: number;
  /** Of the device that does harm. */
  readonly harmful: Pick<LoadLog, "offered" | "told"> & { readonly answered: number };
  readonly conflicts: number;
  readonly exits: number;
}

const DEADLINE = 30_000;

/** Samples that kill whoever runs them, one every `every` seconds while it disturbs. The setting's bundle has to be a poisoned one. */
export function poisonSamples(
  setting: Setting,
  options: DisturbedOptions & { readonly poison: Uint8Array; readonly every: number },
): Promise<DisturbedFigures> {
  const samples = [{ payload: options.poison, edgeLabel: 0, entropy: 1, label: 0 }];
  const load = (stage: Stage) => stage.load({ name: "poisoner", devices: 1, deadline: DEADLINE, samples });
  return disturbed(setting, options, load, 1 / options.every);
}

/** A device that offers `times` as many samples as each of the others, all at once. */
export function noisyDevice(
  setting: Setting,
  options: DisturbedOptions & { readonly times: number },
): Promise<DisturbedFigures> {
  const load = (stage: Stage) =>
    stage.load({ name: "noisy", devices: 1, deadline: DEADLINE, maxInFlight: Number.MAX_SAFE_INTEGER });
  return disturbed(setting, options, load, (options.times * options.rate) / options.devices);
}

async function disturbed(
  setting: Setting,
  options: DisturbedOptions,
  open: (stage: Stage) => Promise<LoadProcess>,
  pace: number,
): Promise<DisturbedFigures> {
  const { seconds, turns, rate, devices } = options;
  return onStage(setting, options, async (stage) => {
    const others = await stage.load({ name: "d", devices, deadline: DEADLINE });
    const harmful = await open(stage);
    const spans = { quiet: [] as Span[], disturbed: [] as Span[] };
    const run = async (kind: keyof typeof spans) => {
      await harmful.pace(kind === "disturbed" ? pace : 0);
      await others.pace(rate);
      spans[kind].push(await during(() => setTimeout(1_000 * seconds)));
    };
    // Caches, compilers and connections get warm.
    await others.pace(rate);
    await setTimeout(200 * seconds);
    for (let turn = 0; turn < turns; turn++) {
      setting.report("quiet and disturbed in turn", turn, turns);
      await run("quiet");
      await run("disturbed");
    }
    await harmful.pace(0);
    const [log, harm] = await Promise.all([others.finish(), harmful.finish()]);
    const [quiet, noisy] = [figuresOf(log, ...spans.quiet), figuresOf(log, ...spans.disturbed)];
    return {
      quiet,
      disturbed: noisy,
      others: (100 * noisy.throughput) / quiet.throughput,
      p99Ratio: noisy.p99 / quiet.p99,
      harmful: { offered: harm.offered, told: harm.told, answered: harm.ends.filter((end) => end === 0).length },
      conflicts: log.conflicts,
      exits: stage.tier.exits,
    };
  });
}
