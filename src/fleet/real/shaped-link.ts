/** A device's link in real time: what virtual time computes of one (link.ts), frames wait out. */
import type { DeviceLink } from "../../device/client.ts";
import { offloadTopic, resultTopic } from "../../wire/topics.ts";
import { ACKNOWLEDGEMENT_BYTES, publishBytes } from "../frame-bytes.ts";
import { Link, type Way } from "../link.ts";
import { Outages } from "../outages.ts";
import { DeviceStreams } from "../random.ts";
import type { RealGroup } from "./real-group.ts";

export class ShapedLink implements DeviceLink {
  readonly #link: Link;

  /** @param name of the device @param place its place in the fleet */
  constructor(
    private readonly group: RealGroup,
    private readonly name: string,
    place: number,
  ) {
    const { streams } = group.world;
    const { link } = group.group.spec;
    const stream = DeviceStreams.of(place, "outages");
    const outages = new Outages(link.outages, (mean) => streams.exponential(stream, mean));
    this.#link = new Link(link, streams, place, outages.any ? [outages] : []);
  }

  get there(): boolean {
    return this.#link.connected(this.group.world.clock.now);
  }

  up(bytes: number, deliver: () => void): void {
    const packet = publishBytes(offloadTopic(this.name).length, bytes);
    this.group.offered(packet);
    this.#pass("up", packet, () => {
      this.group.bytes(0, ACKNOWLEDGEMENT_BYTES);
      deliver();
    });
  }

  down(bytes: number, deliver: () => void): void {
    const packet = publishBytes(resultTopic(this.name).length, bytes);
    this.#pass("down", packet, () => {
      this.group.bytes(ACKNOWLEDGEMENT_BYTES, packet);
      deliver();
    });
  }

  /** Does it at the end of each outage, until `signal`. */
  onReturn(action: () => void, signal: AbortSignal): void {
    const { clock } = this.group.world;
    const back = this.#link.comesBack(clock.now);
    if (back === Number.POSITIVE_INFINITY) return;
    clock.at(
      back,
      () => {
        action();
        this.onReturn(action, signal);
      },
      signal,
    );
  }

  #pass(way: Way, bytes: number, deliver: () => void): void {
    const { clock } = this.group.world;
    const arrives = this.#link.send(way, clock.now, bytes);
    if (arrives !== undefined) clock.at(arrives, deliver);
  }
}
