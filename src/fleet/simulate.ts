/**
 * A fleet in virtual time: events one after another, as fast as this machine computes. Nothing depends on the machine's clock, on how many
 * threads compute, or on the order in which they are done: the same fleet gives the same result, byte for byte.
 */
import { setImmediate } from "node:timers/promises";
import { Answers } from "./answers.ts";
import { CloudModel } from "./cloud-model.ts";
import type { Compute } from "./compute.ts";
import { Device } from "./device.ts";
import { Ledger } from "./ledger.ts";
import type { LoadedFleet } from "./load.ts";
import { DeviceStreams } from "./random.ts";
import type { FleetResult } from "./result.ts";
import { Timeline } from "./timeline.ts";
import { GroupWorld, type World } from "./world.ts";

export interface FleetProgress {
  /** Virtual seconds that have passed, of so many. */
  readonly clock: number;
  readonly duration: number;
  /** Samples of which it is known what became of them. */
  readonly samples: number;
  /** Samples that were run on an engine. */
  readonly inferences: number;
  /** Events that happened. */
  readonly events: number;
}

export interface SimulateOptions {
  /** Called often; whoever shows it takes care not to do so each time. */
  readonly report?: ((progress: FleetProgress) => void) | undefined;
  /** Ends the run early: the result says so, and holds what was known by then. */
  readonly signal?: AbortSignal | undefined;
}

/** Events between two looks at whatever else this process has to do. */
const EVENTS_PER_TURN = 8192;

/** @throws what computing throws: HedgeErrors of modules that fail */
export async function simulate(
  fleet: LoadedFleet,
  compute: Compute,
  { report, signal }: SimulateOptions = {},
): Promise<FleetResult> {
  const { spec } = fleet;
  const timeline = new Timeline();
  const ledger = new Ledger(fleet);
  const answers = new Answers(fleet, compute, spec.inference === "once");
  const streams = new DeviceStreams(
    spec.seed,
    fleet.groups.map((group) => group.spec),
  );
  const cloud = new CloudModel(spec.cloud, spec.seed, timeline, ledger, answers);
  const world: World = { fleet, timeline, streams, compute, answers, cloud, ledger };
  const devices = fleet.groups.flatMap(({ spec: { count }, firstDevice }, i) => {
    const group = new GroupWorld(world, i);
    return Array.from({ length: count }, (_, device) => new Device(group, firstDevice + device));
  });
  for (const [interval, end] of ledger.ends.entries())
    timeline.at(end, () => countUp(devices, ledger, interval), undefined);

  const tell = () => {
    const [clock, duration] = [timeline.now / 1e3, spec.duration / 1e3];
    const { inferences } = compute;
    report?.({ clock, duration, samples: ledger.counts.settled, inferences, events: timeline.happened });
  };
  const { counts } = ledger;
  for (let turn = 0; timeline.now < spec.duration || counts.settled < counts.arrivals; ) {
    const happened = timeline.step();
    if (happened === false) break;
    const pause =
      happened === true ? (answers.room() ?? (++turn % EVENTS_PER_TURN === 0 ? setImmediate() : undefined)) : happened;
    if (pause === undefined) continue;
    await pause;
    tell();
    if (signal?.aborted) break;
  }
  for (const device of devices) device.finish();
  const stopped = timeline.now < spec.duration ? timeline.now : undefined;
  return ledger.result(() => spec.engine, stopped);
}

function countUp(devices: readonly Device[], ledger: Ledger, interval: number): void {
  let up = 0;
  for (const device of devices) if (device.up) up++;
  ledger.up(interval, up);
}
