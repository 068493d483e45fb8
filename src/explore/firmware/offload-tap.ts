/** What a device offloads, as the broker passes it on. */
import type { MqttClient } from "mqtt";
import { openConnection } from "../../wire/connection.ts";
import { decodeOffload, type Offload } from "../../wire/frames.ts";
import { offloadTopic } from "../../wire/topics.ts";

/** Milliseconds that a frame may take from the broker to here. */
const PATIENCE = 10_000;

export class OffloadTap {
  /** The first frame of each sample, by its number. */
  readonly offloads = new Map<number, Offload>();
  /** Frames that break the schema, and offers of a sample that differ from its first. */
  readonly flaws: string[] = [];
  readonly #client: MqttClient;
  #onFrame: () => void = () => undefined;

  private constructor(client: MqttClient) {
    this.#client = client;
    client.on("message", (_topic, frame) => this.#take(frame));
  }

  /** @throws HedgeError (network) when there is no broker */
  static async open(broker: string, device: string): Promise<OffloadTap> {
    const name = `tap-${device}`.slice(0, 23);
    const client = await openConnection({ broker, name, status: false, prepare: () => undefined });
    const tap = new OffloadTap(client);
    await client.subscribeAsync(offloadTopic(device), { qos: 1 });
    return tap;
  }

  /** Holds the samples, in order, to the payloads that they must have. @returns a sentence per difference */
  async differences(payloads: readonly Uint8Array[]): Promise<string[]> {
    await this.#until(payloads.length);
    const found = [...this.offloads.values()].toSorted((a, b) => a.sample - b.sample);
    const differences = [...this.flaws];
    if (found.length !== payloads.length) differences.push(`${found.length} samples offloaded, not ${payloads.length}`);
    for (const [i, payload] of payloads.entries()) {
      const offload = found[i];
      if (offload && Buffer.compare(offload.payload, payload) !== 0) differences.push(`offload ${i}: another payload`);
    }
    return differences;
  }

  close(): Promise<void> {
    return this.#client.endAsync();
  }

  /** Waits for that many samples, for a while. */
  async #until(count: number): Promise<void> {
    const timer = new Promise<false>((resolve) => setTimeout(resolve, PATIENCE, false).unref());
    while (this.offloads.size < count) {
      const frame = new Promise<true>((resolve) => {
        this.#onFrame = () => resolve(true);
      });
      if (!(await Promise.race([frame, timer]))) return;
    }
  }

  #take(frame: Uint8Array): void {
    try {
      const offload = decodeOffload(frame);
      const first = this.offloads.get(offload.sample);
      if (first === undefined) this.offloads.set(offload.sample, offload);
      else if (Buffer.compare(first.payload, offload.payload) !== 0)
        this.flaws.push(`sample ${offload.sample} changed`);
    } catch (error) {
      this.flaws.push((error as Error).message);
    }
    this.#onFrame();
  }
}
