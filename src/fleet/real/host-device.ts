/** A device that this machine stands in for: as in virtual time it starts again at random. */
import { HedgeError } from "../../errors.ts";
import { clockOf } from "../clock.ts";
import type { Sample } from "../offload.ts";
import { DeviceStreams } from "../random.ts";
import { deviceName } from "../spec.ts";
import { type Body, Life } from "./life.ts";
import type { Member } from "./member.ts";
import type { RealGroup } from "./real-group.ts";
import { ShapedLink } from "./shaped-link.ts";

/** Milliseconds until a device that did not find the broker tries again. */
const AGAIN = 500;

export class HostDevice implements Member {
  readonly #body: Body;
  #life: Life | undefined;
  /** From one life to the next. */
  #changing: Promise<void> = Promise.resolve();

  constructor(
    readonly group: RealGroup,
    readonly place: number,
  ) {
    const { spec, firstDevice } = group.group;
    const name = deviceName(spec, place - firstDevice);
    const link = new ShapedLink(group, name, place);
    this.#body = { group, place, name, link, clock: clockOf(spec.clock, group.world.streams, place) };
  }

  connect(): Promise<void> {
    this.#changing = Life.begin(this.#body).then((life) => {
      this.#life = life;
    });
    return this.#changing;
  }

  begin(): void {
    this.#awaitReboot();
  }

  get up(): boolean {
    return this.#life !== undefined;
  }

  arrive(sample: Sample): void {
    if (this.#life === undefined) this.group.dropped("reboot");
    else this.#life.arrive(sample);
  }

  async close(): Promise<void> {
    // Whoever waits for it hears what goes wrong.
    await this.#changing.catch(() => undefined);
    await this.#life?.leave();
  }

  #awaitReboot(): void {
    const { clock, streams } = this.group.world;
    const { reboots } = this.group.group.spec;
    if (reboots === undefined) return;
    const pause = streams.exponential(DeviceStreams.of(this.place, "life"), reboots.every);
    clock.at(clock.now + pause, () => {
      this.#awaitReboot();
      if (this.#life === undefined) return;
      this.#changing = this.#life.end();
      this.#life = undefined;
      const back = clock.now + reboots.take;
      this.#changing.then(() => clock.at(back, () => this.#start()), this.group.world.fail);
    });
  }

  async #start(): Promise<void> {
    const { clock, compute, fail } = this.group.world;
    compute.reset(this.place);
    try {
      await this.connect();
      this.group.rebooted();
    } catch (error) {
      if (!(error instanceof HedgeError) || error.kind !== "network") fail(error);
      // The broker is gone for a while.
      else clock.at(clock.now + AGAIN, () => this.#start());
    }
  }
}
