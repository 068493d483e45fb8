/** Scenes in which somebody publishes what no device would: the workers refuse it, live on, and answer the others. */
import { setTimeout } from "node:timers/promises";
import type { MqttClient } from "mqtt";
import { readBundle } from "../../bundle/read.ts";
import { openConnection } from "../../wire/connection.ts";
import { DEAD_TOPIC } from "../../wire/topics.ts";
import { fuzz, type HostileMessage, hostileCorpus } from "./corpus.ts";
import { ALWAYS, figuresOf, type SpanFigures } from "./load-log.ts";
import { onStage, type Setting } from "./stage.ts";
import { MemoryWatch } from "./watch.ts";

export interface IngestOptions {
  /** Seconds of hostile messages. */
  readonly seconds: number;
  /** Damaged frames per second. */
  readonly hostile: number;
  /** Samples per second of ordinary devices. */
  readonly rate: number;
  readonly devices: number;
  readonly seed: number;
}

export interface IngestFigures extends SpanFigures {
  readonly offered: number;
  readonly conflicts: number;
  /** Hostile messages that the broker took. */
  readonly sent: number;
  /** Dead letters. */
  readonly dead: number;
  /** Workers that ended. */
  readonly exits: number;
  /** Bytes by which the workers' highest resident size grew after the first fifth of the time. */
  readonly rssGrowth: number;
}

const DEADLINE = 30_000;
const DEVICE = "hostile";
/** Milliseconds between bunches of messages. */
const TICK = 20;
/** Hostile messages are decoded, not turned away at the door. */
const NO_QUOTA = ["--quota", "0"];

/** The corpus first, then damage without end, at one worker that also has ordinary work. */
export async function ingest(setting: Setting, options: IngestOptions): Promise<IngestFigures> {
  const { seconds, hostile, rate, devices, seed } = options;
  return onStage(setting, { workers: 1, workerOptions: NO_QUOTA }, async (stage) => {
    const load = await stage.load({ name: "d", devices, deadline: DEADLINE });
    await load.pace(rate);
    const sender = await HostileSender.open(stage.broker);
    const watch = new MemoryWatch(stage.tier);
    const from = Date.now();
    const end = from + 1_000 * seconds;
    try {
      const messages = await hostileMessages(setting, seed);
      while (Date.now() < end) {
        await Promise.all([sender.send(messages, Math.ceil((hostile * TICK) / 1_000)), setTimeout(TICK)]);
        setting.report("hostile messages", sender.sent, hostile * seconds);
      }
    } finally {
      watch.stop();
      await sender.close();
    }
    const log = await load.finish();
    const { offered, conflicts } = log;
    const figures = figuresOf(log, ALWAYS);
    const calm = from + 200 * seconds;
    return {
      ...figures,
      unanswered: figures.unanswered + offered - figures.samples,
      throughput: figures.right / seconds,
      offered,
      conflicts,
      sent: sender.sent,
      dead: sender.dead,
      exits: stage.tier.exits,
      rssGrowth: Math.max(0, watch.peak({ from: calm, to: end }) - watch.peak({ from, to: calm })),
    };
  });
}

/** Around a frame that is valid but for what is done to it. */
async function hostileMessages({ folder, samples }: Setting, seed: number): Promise<Iterator<HostileMessage>> {
  const { digest } = await readBundle(folder);
  const { payload, edgeLabel, entropy } = samples[0]!;
  const rest = { session: 1, sample: 1, attempt: 1, label: edgeLabel, entropy: Math.round(entropy * 65_536) };
  const valid = { model: digest, deadline: Date.now() + 86_400_000, payload, ...rest };
  return (function* () {
    yield* hostileCorpus(valid, DEVICE);
    yield* fuzz(valid, DEVICE, seed);
  })();
}

class HostileSender {
  sent = 0;
  dead = 0;

  private constructor(private readonly client: MqttClient) {}

  static async open(broker: string): Promise<HostileSender> {
    const client = await openConnection({ broker, name: DEVICE, status: false, prepare: () => undefined });
    const sender = new HostileSender(client);
    client.on("message", () => sender.dead++);
    await client.subscribeAsync(DEAD_TOPIC, { qos: 0 });
    return sender;
  }

  /** Resolves when the broker has them. */
  async send(messages: Iterator<HostileMessage>, count: number): Promise<void> {
    const sending: Promise<unknown>[] = [];
    for (let k = 0; k < count; k++) {
      const { topic, message } = messages.next().value as HostileMessage;
      sending.push(this.client.publishAsync(topic, Buffer.from(message), { qos: 1 }));
    }
    await Promise.all(sending);
    this.sent += count;
  }

  async close(): Promise<void> {
    await this.client.endAsync();
  }
}
