/** A device on this machine, from one start to the next: a client at the broker, whose samples run on the fleet's compute. */
import { type Answer, DeviceClient } from "../../device/client.ts";
import type { EdgeResult } from "../../engine/engine.ts";
import type { Clock } from "../clock.ts";
import type { Sample } from "../offload.ts";
import type { RealGroup } from "./real-group.ts";
import type { ShapedLink } from "./shaped-link.ts";

/** What of a device outlives its starts. */
export interface Body {
  readonly group: RealGroup;
  /** In the fleet. */
  readonly place: number;
  readonly name: string;
  readonly link: ShapedLink;
  readonly clock: Clock;
}

export class Life {
  readonly #end = new AbortController();
  readonly #queue: Sample[] = [];
  /** Samples of which the exit was not sure, with its label. */
  readonly #unsure = new Map<Sample, number>();
  /** On the module, or in front of the places of those that wait for the cloud. */
  #running: Sample | undefined;
  /** Ends the wait for what runs. */
  #abandon: ((reason: Error) => void) | undefined;
  #client!: DeviceClient;

  private constructor(private readonly body: Body) {}

  /** @throws HedgeErrors as DeviceClient.connect */
  static async begin(body: Body): Promise<Life> {
    const life = new Life(body);
    const { group, name, link, clock } = body;
    const { world } = group;
    const { spec, manifest, bundle } = group.group;
    life.#client = await DeviceClient.connect({
      ...world.access,
      id: name,
      engine: { manifest, run: () => life.#run(), close: () => undefined },
      digest: world.fleet.bundles[bundle]!.digest,
      deadline: spec.deadline,
      maxInFlight: spec.maxInFlight,
      backoff: spec.backoff,
      link,
      clockError: () => clock(world.clock.now) - world.clock.now,
    });
    link.onReturn(() => life.#client.linkIsBack(), life.#end.signal);
    return life;
  }

  arrive(sample: Sample): void {
    const { group } = this.body;
    if (this.#running === undefined) void this.#work(sample);
    else if (this.#queue.length < group.group.spec.queue) this.#queue.push(sample);
    else group.dropped("busy");
  }

  /** The device stops: whatever it holds is gone. */
  async end(): Promise<void> {
    const { group } = this.body;
    const running = this.#running;
    if (running !== undefined && !this.#unsure.has(running)) this.#queue.push(running);
    for (const _ of this.#queue) group.dropped("reboot");
    for (const [sample, label] of this.#unsure) group.fallback("lost", sample, label);
    await this.leave();
  }

  /** Leaves the broker; what would become of samples is not asked any more. */
  async leave(): Promise<void> {
    this.#queue.length = 0;
    this.#unsure.clear();
    this.#end.abort();
    this.#abandon?.(new Error("The device stopped."));
    await this.#client.close();
  }

  /** Sample after sample, as long as there are any. */
  async #work(first: Sample): Promise<void> {
    const { group } = this.body;
    for (let sample: Sample | undefined = first; sample !== undefined; sample = this.#queue.shift()) {
      this.#running = sample;
      try {
        const { edge, answer } = await this.#client.submit(group.input(sample));
        if (this.#end.signal.aborted) return;
        if (edge.exited) group.exited(sample, edge.label);
        else void this.#settle(sample, answer);
      } catch (error) {
        if (!this.#end.signal.aborted) group.world.fail(error);
        return;
      }
    }
    this.#running = undefined;
  }

  async #settle(sample: Sample, answer: Promise<Answer>): Promise<void> {
    const { source, label, reason = "deadline" } = await answer;
    // Lost with this life, and counted so.
    if (!this.#unsure.delete(sample)) return;
    if (source === "cloud") this.body.group.cloud(sample, label);
    else this.body.group.fallback(reason, sample, label);
  }

  /** On compute that others use too; not done before the board would be. */
  async #run(): Promise<EdgeResult> {
    const { group, place } = this.body;
    const { bundle, threshold, inferenceTime } = group.group;
    const { clock, compute } = group.world;
    const sample = this.#running!;
    const began = clock.now;
    const result = await new Promise<EdgeResult>((resolve, reject) => {
      this.#abandon = reject;
      compute.run({ device: place, bundle, threshold, sample: sample.place }).then((done) => {
        const { exit, full } = inferenceTime;
        clock.at(began + (done.exited ? exit : full), () => resolve(done), this.#end.signal);
      }, reject);
    });
    if (!result.exited) {
      this.#unsure.set(sample, result.label);
      group.unsure();
    }
    return result;
  }
}
