/**
 * A fleet in real time: its devices talk to a broker and real workers, second by second. What they see and do is drawn as in virtual time, from the
 * same seed; when it happens, and what comes of it, is up to the broker, the workers and this machine.
 */
import { Gate } from "../../device/gate.ts";
import type { TlsFiles } from "../../wire/broker-access.ts";
import { arrivalsOf } from "../arrivals.ts";
import type { Compute } from "../compute.ts";
import { Ledger } from "../ledger.ts";
import type { LoadedFleet } from "../load.ts";
import { DeviceStreams } from "../random.ts";
import type { FleetResult } from "../result.ts";
import type { SimulateOptions } from "../simulate.ts";
import { FirmwareDevice } from "./firmware-device.ts";
import { HostDevice } from "./host-device.ts";
import type { Member } from "./member.ts";
import { RealGroup, type RealWorld } from "./real-group.ts";
import { WallClock } from "./wall-clock.ts";

export interface RealOptions extends SimulateOptions {
  /** For a broker at mqtts://. */
  readonly tls?: TlsFiles | undefined;
}

/** Devices that come to the broker at a time. */
const CONNECTING = 32;
/** Milliseconds between looks at how far the run is. */
const LOOK = 200;

/**
 * Samples arrive for the fleet's duration; the run ends when it is known what became of each.
 * @throws HedgeErrors: network (the broker), input and usage (firmware and its boards, modules that fail)
 */
export async function runReal(
  fleet: LoadedFleet,
  compute: Compute,
  { tls, ...options }: RealOptions = {},
): Promise<FleetResult> {
  let fail!: (error: unknown) => void;
  const failure = new Promise<never>((_, reject) => {
    fail = reject;
  });
  const { spec } = fleet;
  const specs = fleet.groups.map((group) => group.spec);
  const world: RealWorld = {
    fleet,
    // withOverrides sees to it that a fleet in real time has a broker.
    access: { broker: spec.broker!, tls },
    clock: new WallClock(),
    streams: new DeviceStreams(spec.seed, specs),
    compute,
    ledger: new Ledger(fleet),
    fail,
    waiting: 0,
  };
  const members = fleet.groups.flatMap((_, i) => membersOf(new RealGroup(world, i)));
  try {
    await Promise.race([failure, connectAll(members, options.signal)]);
    const stopped = await Promise.race([failure, passTime(world, members, options)]);
    return world.ledger.result((i) => (specs[i]!.firmware ? "firmware" : compute.kind), stopped);
  } finally {
    world.clock.stop();
    await Promise.all(members.map((member) => member.close()));
  }
}

function membersOf(group: RealGroup): Member[] {
  const { spec, firstDevice } = group.group;
  const Kind = spec.firmware ? FirmwareDevice : HostDevice;
  return Array.from({ length: spec.count }, (_, i) => new Kind(group, firstDevice + i));
}

/** A few at a time: a broker is not to be flooded by those who are only about to come. Once one fails, no others are tried. */
async function connectAll(members: readonly Member[], signal: AbortSignal | undefined): Promise<void> {
  const gate = new Gate(CONNECTING);
  let failed = false;
  const connecting = members.map(async (member) => {
    await gate.enter();
    try {
      if (!failed && !signal?.aborted) await member.connect();
    } catch (error) {
      failed = true;
      throw error;
    } finally {
      gate.leave();
    }
  });
  await Promise.all(connecting);
}

/** @returns when somebody ended the run early; undefined if nobody did */
function passTime(
  world: RealWorld,
  members: readonly Member[],
  { report, signal }: SimulateOptions,
): Promise<number | undefined> {
  const { clock, compute, ledger, fleet } = world;
  const { duration } = fleet.spec;
  const { counts } = ledger;
  clock.start();
  for (const member of members) {
    member.begin();
    awaitArrivals(world, member);
  }
  for (const [interval, end] of ledger.ends.entries())
    clock.at(end, () => ledger.up(interval, members.filter(({ up }) => up).length));
  return new Promise((resolve) => {
    const look = () => {
      const { now } = clock;
      const progress = { clock: Math.min(now, duration) / 1e3, duration: duration / 1e3 };
      const { arrivals, settled } = counts;
      report?.({ ...progress, samples: settled, inferences: compute.inferences, events: arrivals });
      if (signal?.aborted) resolve(now < duration ? now : undefined);
      else if (now >= duration && settled === arrivals) resolve(undefined);
      else clock.at(now + LOOK, look);
    };
    look();
  });
}

function awaitArrivals({ clock, streams, fleet }: RealWorld, member: Member): void {
  const { group, place } = member;
  const arrivals = arrivalsOf(group.group.spec.arrivals, streams, place);
  const awaitNext = () => {
    const at = arrivals.next();
    if (at >= fleet.spec.duration) return;
    clock.at(at, () => {
      const sample = { place: group.data.draw(place, at), arrived: at };
      group.arrived(at);
      awaitNext();
      member.arrive(sample);
    });
  };
  awaitNext();
}
