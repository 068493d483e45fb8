/** What a device offloads, as the broker passes it on. */
import type { MqttClient } from "mqtt";
import { openConnection } from "../../wire/connection.ts";
import { decodeOffload, type Offload } from "../../wire/frames.ts";
import { offloadTopic } from "../../wire/topics.ts";

/** Milliseconds that a frame may take from the broker to here. */
const PATIENCE = 10_000;

export class OffloadTap {
  /** All of them. */
  readonly frames: Offload[] = [];
  /** What is wrong with frames that break the schema. */
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
    await this.until(payloads.length);
    const samples = new Set(this.frames.map(({ sample }) => sample));
    const differences = [...this.flaws];
    if (samples.size !== payloads.length) differences.push(`${samples.size} samples offloaded, not ${payloads.length}`);
    // A sample may have been offered several times.
    const order = [...samples].toSorted((a, b) => a - b);
    for (const { sample, attempt, payload } of this.frames) {
      const expected = payloads[order.indexOf(sample)];
      if (expected && Buffer.compare(payload, expected) !== 0)
        differences.push(`offload ${order.indexOf(sample)}, attempt ${attempt}: another payload`);
    }
    return differences;
  }

  /** Waits for frames of that many samples, for a while. */
  async until(count: number): Promise<void> {
    const timer = new Promise<false>((resolve) => setTimeout(resolve, PATIENCE, false).unref());
    while (new Set(this.frames.map(({ sample }) => sample)).size < count) {
      const frame = new Promise<true>((resolve) => {
        this.#onFrame = () => resolve(true);
      });
      if (!(await Promise.race([frame, timer]))) return;
    }
  }

  close(): Promise<void> {
    return this.#client.endAsync();
  }

  #take(frame: Uint8Array): void {
    try {
      this.frames.push(decodeOffload(frame));
    } catch (error) {
      this.flaws.push((error as Error).message);
    }
    this.#onFrame();
  }
}
