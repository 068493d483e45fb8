/** More samples than the workers can finish: what they cannot, they have to say, and then to be as before. */
import { setTimeout } from "node:timers/promises";
import { during, figuresOf, type LoadLog, type Span, type SpanFigures } from "./load-log.ts";
import { onStage, type Setting, type Stage, type StageOptions } from "./stage.ts";
import { MemoryWatch } from "./watch.ts";

export interface OverloadOptions extends StageOptions {
  readonly devices: number;
  /** Seconds in which the capacity is measured, and of the calm before and after. */
  readonly calm: number;
  /** Seconds of overload. */
  readonly seconds: number;
  /** Over the capacity. */
  readonly times: number;
  /** Milliseconds that devices give a sample. */
  readonly deadline: number;
}

export interface OverloadFigures {
  /** Right answers per second when devices take the next sample only after an answer. */
  readonly capacity: number;
  /** At half the capacity. */
  readonly before: SpanFigures;
  readonly overloaded: SpanFigures;
  readonly after: SpanFigures;
  /** Unanswered samples of which a worker said so; the others ended at their device's deadline. */
  readonly told: number;
  /** Samples that never ended at their device. */
  readonly silent: number;
  /** Bytes that the workers grew by, at most, over the calm before. */
  readonly rssGrowth: number;
  /** Seconds after the overload until the last one whose p99 is more than twice the worst second's before. */
  readonly recovery: number;
  readonly conflicts: number;
  readonly exits: number;
}

/** Of each device while the capacity is measured. */
const CAPACITY_IN_FLIGHT = 4;
const CAPACITY_DEADLINE = 60_000;

export async function overload(setting: Setting, options: OverloadOptions): Promise<OverloadFigures> {
  const { devices, calm, seconds, times, deadline } = options;
  return onStage(setting, options, async (stage) => {
    setting.report("measuring the capacity", 0, 0);
    const capacity = await capacityOf(stage, devices, calm);
    const watch = new MemoryWatch(stage.tier);
    // Every sample goes out at once: none may wait in its device, where nobody counts its time.
    const load = await stage.load({ name: "d", devices, deadline, maxInFlight: Number.MAX_SAFE_INTEGER });
    const at = async (pace: number, duration: number): Promise<Span> => {
      setting.report(`${Math.round(pace)} samples per second`, 0, 0);
      await load.pace(pace);
      return during(() => setTimeout(1_000 * duration));
    };
    await at(capacity / 2, calm / 2);
    const before = await at(capacity / 2, calm);
    const peak = await at(times * capacity, seconds);
    const after = await at(capacity / 2, calm);
    const log = await load.finish();
    watch.stop();
    return {
      capacity,
      before: figuresOf(log, before),
      overloaded: figuresOf(log, peak),
      after: figuresOf(log, after),
      told: log.told,
      silent: log.offered - log.at.length,
      rssGrowth: watch.peak({ from: peak.from, to: after.to }) - watch.peak(before),
      recovery: recovery(log, before, after),
      conflicts: log.conflicts,
      exits: stage.tier.exits,
    };
  });
}

/** Right answers per second, of devices that always have samples in flight. */
export async function capacityOf(stage: Stage, devices: number, seconds: number): Promise<number> {
  const options = { name: "full", devices, deadline: CAPACITY_DEADLINE, maxInFlight: CAPACITY_IN_FLIGHT };
  const load = await stage.load(options);
  await load.pace("full");
  await setTimeout(500 * seconds);
  const span = await during(() => setTimeout(1_000 * seconds));
  return figuresOf(await load.finish(), span).throughput;
}

function recovery(log: LoadLog, before: Span, after: Span): number {
  const worst = Math.max(...seconds(before).map((second) => figuresOf(log, second).p99));
  const late = seconds(after).map((second) => {
    const { p99, unanswered } = figuresOf(log, second);
    return unanswered > 0 || p99 > 2 * worst;
  });
  return late.lastIndexOf(true) + 1;
}

function seconds({ from, to }: Span): Span[] {
  return Array.from({ length: Math.floor((to - from) / 1_000) }, (_, k) => ({
    from: from + 1_000 * k,
    to: from + 1_000 * (k + 1),
  }));
}
