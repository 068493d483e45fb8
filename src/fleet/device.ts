/** A device in virtual time: samples arrive, its module runs them one at a time, and what it is not sure of it offers to the cloud. */
import type { EdgeAnswer } from "./answers.ts";
import { type Arrivals, arrivalsOf } from "./arrivals.ts";
import { EnergyMeter } from "./energy.ts";
import { type Holder, Offering, type Unsure } from "./offering.ts";
import type { Sample } from "./offload.ts";
import { DeviceStreams } from "./random.ts";
import type { GroupWorld } from "./world.ts";

/** Its module at work on a sample. */
interface Run {
  readonly device: Device;
  readonly sample: Sample;
  readonly answer: EdgeAnswer | Promise<EdgeAnswer>;
}

/** What it makes of the sample is known. */
type Known = Run & { readonly answer: EdgeAnswer };

type State = "up" | "starting" | "empty";

export class Device implements Holder {
  #state: State = "up";
  #run: Run | undefined;
  /** Holds the module until fewer samples wait for the cloud. */
  #held: Unsure | undefined;
  /** Made when the first sample has to wait: most devices of a large fleet need none. */
  #queue: Sample[] | undefined;
  readonly #arrivals: Arrivals;
  readonly #offering: Offering;
  readonly #meter: EnergyMeter | undefined;
  #wasEmpty = false;

  /** @param place in the fleet */
  constructor(
    private readonly world: GroupWorld,
    private readonly place: number,
  ) {
    const { group, streams, duration } = world;
    const { spec } = group;
    this.#arrivals = arrivalsOf(spec.arrivals, streams, place);
    this.#offering = new Offering(world, place, this);
    if (spec.energy !== undefined) this.#meter = new EnergyMeter(spec.energy, spec.battery, duration);
    this.#awaitArrival();
    this.#awaitReboot();
  }

  /** Now: its battery may have gone empty since somebody looked. */
  get up(): boolean {
    this.look();
    return this.#state === "up";
  }

  get waits(): boolean {
    return this.#held !== undefined;
  }

  /** Brings its battery up to date: it may have gone empty since somebody looked. */
  look(): void {
    if (this.#meter?.look(this.world.timeline.now) !== undefined) this.#empty();
  }

  /** The run is over. */
  finish(): void {
    this.look();
    if (this.#meter !== undefined) this.world.ledger.energy(this.#meter, this.#wasEmpty);
  }

  radio(bytes: number): void {
    if (this.up && this.#meter?.radio(this.world.timeline.now, bytes)) {
      this.#meter.goOff();
      this.#empty();
    }
  }

  freed(): void {
    if (this.#held === undefined || this.#offering.full) return;
    const held = this.#held;
    this.#held = undefined;
    this.#offering.add(held);
    this.#next();
  }

  #awaitArrival(): void {
    const { timeline, duration } = this.world;
    const at = this.#arrivals.next();
    if (at < duration) timeline.at(Math.max(at, timeline.now), Device.#arrive, this);
  }

  static #arrive(device: Device): void {
    const { timeline, ledger, data, group } = device.world;
    const { now } = timeline;
    ledger.arrival(now);
    const sample = { place: data.draw(device.place, now), arrived: now };
    device.#awaitArrival();
    if (!device.up) ledger.dropped(now, device.#state === "empty" ? "battery" : "reboot");
    else if (device.#run === undefined && device.#held === undefined) device.#start(sample);
    else {
      device.#queue ??= [];
      if (device.#queue.length < group.spec.queue) device.#queue.push(sample);
      else ledger.dropped(now, "busy");
    }
  }

  #start(sample: Sample): void {
    const { timeline, answers, group } = this.world;
    const { bundle, threshold, inferenceTime } = group;
    const answer = answers.edge({ device: this.place, bundle, threshold, sample: sample.place });
    this.#run = { device: this, sample, answer };
    if (this.#meter !== undefined) this.#meter.computing = true;
    timeline.at(timeline.now + inferenceTime.exit, Device.#atExit, this.#run);
  }

  /** Until here every sample takes the same time; only now has it to be known which way it goes. */
  static #atExit(run: Run): void | Promise<void> {
    const { device, answer } = run;
    device.look();
    if (device.#run !== run) return undefined;
    return answer instanceof Promise ? answer.then((known) => device.#exit(run, known)) : device.#exit(run, answer);
  }

  #exit(run: Run, answer: EdgeAnswer): void {
    const { timeline, ledger, group } = this.world;
    if (answer.exited) {
      ledger.exited(this.world.answered(run.sample, answer.label));
      this.#idle();
      this.#next();
      return;
    }
    const { exit, full } = group.inferenceTime;
    const known: Known = { device: this, sample: run.sample, answer };
    this.#run = known;
    timeline.at(timeline.now + (full - exit), Device.#packed, known);
  }

  static #packed(run: Known): void {
    const { device, sample, answer } = run;
    device.look();
    if (device.#run !== run) return;
    device.#idle();
    const unsure = device.#offering.unsure(sample, answer);
    if (device.#offering.full) {
      device.#held = unsure;
      return;
    }
    device.#offering.add(unsure);
    device.#next();
  }

  #idle(): void {
    this.#run = undefined;
    if (this.#meter !== undefined) this.#meter.computing = false;
  }

  #next(): void {
    if (!this.up || this.#run !== undefined || this.#held !== undefined) return;
    const sample = this.#queue?.shift();
    if (sample !== undefined) this.#start(sample);
  }

  #awaitReboot(): void {
    const { timeline, group, streams } = this.world;
    const { reboots } = group.spec;
    if (reboots === undefined) return;
    const pause = streams.exponential(DeviceStreams.of(this.place, "life"), reboots.every);
    timeline.at(timeline.now + pause, Device.#reboot, this);
  }

  static #reboot(device: Device): void {
    const { timeline, group } = device.world;
    device.#awaitReboot();
    if (!device.up) return;
    device.#stop("starting");
    timeline.at(timeline.now + group.spec.reboots!.take, Device.#started, device);
  }

  static #started(device: Device): void {
    device.look();
    if (device.#state === "starting") device.#begin();
  }

  #empty(): void {
    const { timeline } = this.world;
    this.#wasEmpty = true;
    this.#stop("empty");
    timeline.at(timeline.now + this.#meter!.untilRestart, Device.#charged, this);
  }

  static #charged(device: Device): void {
    device.#meter!.look(device.world.timeline.now);
    device.#meter!.off = false;
    device.#begin();
  }

  #begin(): void {
    this.#state = "up";
    this.world.ledger.reboots++;
    this.world.compute.reset(this.place);
  }

  /** Whatever it held is gone. */
  #stop(state: "starting" | "empty"): void {
    const { timeline, ledger } = this.world;
    this.#state = state;
    const reason = state === "empty" ? "battery" : "reboot";
    if (this.#run !== undefined) ledger.dropped(timeline.now, reason);
    this.#idle();
    for (const _ of this.#queue?.splice(0) ?? []) ledger.dropped(timeline.now, reason);
    if (this.#held !== undefined) this.#offering.lost(this.#held.sample, this.#held.answer);
    this.#held = undefined;
    this.#offering.restart();
  }
}
