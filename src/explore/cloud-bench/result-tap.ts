/** All results of some devices, as the broker passes them on: what each worker said of each sample. */
import type { MqttClient } from "mqtt";
import { openConnection } from "../../wire/connection.ts";
import { decodeResult, type ResultState } from "../../wire/frames.ts";
import { resultTopic } from "../../wire/topics.ts";

export class ResultTap {
  /** Results that contradict an earlier one of the same sample. */
  conflicts = 0;
  #answers = new Map<string, string>();
  #told = new Map<string, ResultState>();

  private constructor(
    private readonly client: MqttClient,
    private readonly topics: readonly string[],
  ) {}

  /** @throws HedgeError (network) when there is no broker */
  static async open(broker: string, name: string, devices: readonly string[]): Promise<ResultTap> {
    const client = await openConnection({ broker, name, status: false, prepare: () => undefined });
    const topics = devices.map(resultTopic);
    const tap = new ResultTap(client, topics);
    client.on("message", (topic, frame) => tap.#take(topic, frame));
    await client.subscribeAsync(topics, { qos: 0 });
    return tap;
  }

  /** What a worker said of the `sample`-th offload of a device, other than an answer. */
  told(device: string, sample: number): ResultState | undefined {
    return this.#told.get(`${resultTopic(device)} ${sample}`);
  }

  /** Hears first what the broker has passed on to the devices until now: that comes before the answer to a request. */
  async close(): Promise<void> {
    if (this.client.connected) await this.client.unsubscribeAsync([...this.topics]).catch(() => undefined);
    await this.client.endAsync(true);
  }

  #take(topic: string, frame: Uint8Array): void {
    const { sample, state, label, confidence } = decodeResult(frame);
    const key = `${topic} ${sample}`;
    if (state !== "answered") {
      this.#told.set(key, state);
      return;
    }
    const answer = `${label} ${confidence}`;
    const before = this.#answers.get(key);
    if (before === undefined) this.#answers.set(key, answer);
    else if (before !== answer) this.conflicts++;
  }
}
