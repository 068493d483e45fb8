/** How long devices wait at some share of what a worker can finish, and what of that the worker adds to the inference. */
import { setTimeout } from "node:timers/promises";
import type { MqttClient } from "mqtt";
import { openConnection } from "../../wire/connection.ts";
import { freePort } from "../mosquitto.ts";
import { BareProcess } from "./bare-process.ts";
import { during, figuresOf, percentile, type SpanFigures } from "./load-log.ts";
import { capacityOf } from "./overload.ts";
import { Scrape } from "./scrape.ts";
import { onStage, type Setting } from "./stage.ts";

const DEVICES = 50;
const DEADLINE = 30_000;

/** At each share of the capacity, which is measured first. */
export async function latencyAtLoad(
  setting: Setting,
  { shares, seconds }: { readonly shares: readonly number[]; readonly seconds: number },
): Promise<{ readonly capacity: number; readonly at: readonly SpanFigures[] }> {
  return onStage(setting, { workers: 1, workerOptions: ["--quota", "0"] }, async (stage) => {
    const capacity = await capacityOf(stage, DEVICES, seconds);
    const load = await stage.load({ name: "d", devices: DEVICES, deadline: DEADLINE });
    const spans = [];
    for (const share of shares) {
      setting.report(`latency at ${100 * share} % load`, spans.length, shares.length);
      await load.pace(share * capacity);
      await setTimeout(1_000);
      spans.push(await during(() => setTimeout(1_000 * seconds)));
      await load.settle();
    }
    const log = await load.finish();
    return { capacity, at: spans.map((span) => figuresOf(log, span)) };
  });
}

export interface AddedLatency {
  /** Medians in milliseconds: from a sample at its device to its answer there; */
  readonly roundTrip: number;
  /** a message of that size to another client of the broker and a short one back; */
  readonly echo: number;
  /** a run of onnxruntime alone, now and then as the samples come. */
  readonly inference: number;
  /** What the worker adds, as devices see it: the round trip less the other two. */
  readonly added: number;
  /** The same as the worker sees it: mean time from receipt to answer, less the mean run of onnxruntime alone. */
  readonly addedInside: number;
}

/** At a few samples per second, so that none waits for another. */
export async function addedLatency(
  setting: Setting,
  { rate, seconds }: { readonly rate: number; readonly seconds: number },
): Promise<AddedLatency> {
  const http = `127.0.0.1:${await freePort()}`;
  return onStage(setting, { workers: 1, workerOptions: ["--http", http] }, async (stage) => {
    const load = await stage.load({ name: "d", devices: 5, deadline: DEADLINE });
    const bare = await BareProcess.start(setting);
    try {
      await load.pace(rate);
      await setTimeout(2_000);
      const before = await Scrape.of(http);
      const span = await during(() => setTimeout(1_000 * seconds));
      const inside = 1_000 * (await Scrape.of(http)).meanSince(before, "hedge_serve_seconds");
      const { p50: roundTrip } = figuresOf(await load.finish(), span);
      const pause = 1_000 / rate;
      const { ms } = await bare.run(1, seconds, pause);
      const [inference, mean] = [percentile(ms, 50), ms.reduce((sum, x) => sum + x, 0) / ms.length];
      const echo = await echoTime(stage.broker, setting.samples[0]!.payload.length, seconds, pause);
      return { roundTrip, echo, inference, added: roundTrip - echo - inference, addedInside: inside - mean };
    } finally {
      await bare.kill();
    }
  });
}

/** Bytes of a result's frame. */
const ANSWER_BYTES = 64;

/** Both clients are in this process: what a worker in another one takes beyond that counts as added by it. */
async function echoTime(broker: string, bytes: number, seconds: number, pause: number): Promise<number> {
  const open = (name: string) => openConnection({ broker, name, status: false, prepare: () => undefined });
  const [asker, echoer] = await Promise.all([open("asker"), open("echoer")]);
  try {
    await Promise.all([
      asker.subscribeAsync("bench/back", { qos: 1 }),
      echoer.subscribeAsync("bench/there", { qos: 1 }),
    ]);
    echoer.on("message", () => echoer.publish("bench/back", Buffer.alloc(ANSWER_BYTES), { qos: 1 }));
    const ms: number[] = [];
    for (const end = performance.now() + 1_000 * seconds; performance.now() < end; ) {
      ms.push(await echo(asker, Buffer.alloc(bytes)));
      await setTimeout(pause);
    }
    return percentile(ms, 50);
  } finally {
    await Promise.all([asker.endAsync(true), echoer.endAsync(true)]);
  }
}

async function echo(asker: MqttClient, message: Buffer): Promise<number> {
  const from = performance.now();
  const back = new Promise<void>((resolve) => asker.once("message", () => resolve()));
  asker.publish("bench/there", message, { qos: 1 });
  await back;
  return performance.now() - from;
}
