import { connectAsync } from "mqtt";
import { pino } from "pino";
import { afterEach, describe, expect, it } from "vitest";
import { startMosquitto } from "../../test/support/brokers.ts";
import { startRelay } from "../../test/support/relay.ts";
import { decodeEvent, encodeCommand, encodeEvent } from "../wire/device-frames.ts";
import { FRAME_TYPES } from "../wire/fields.ts";
import { encodeOffload } from "../wire/frames.ts";
import { commandTopic, eventTopic, statusTopic } from "../wire/topics.ts";
import { Session } from "./session.ts";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const event = (number: number) => encodeEvent({ request: 0, code: 100, number, sentence: "" });
const offload = encodeOffload({
  model: "ab".repeat(32),
  session: 7,
  sample: 1,
  deadline: 1_800_000_000_000,
  attempt: 1,
  label: 3,
  entropy: 65_536,
  payload: new Uint8Array(10),
});

/** A session whose way to the broker can be cut, and a client of the broker that cannot. */
async function setUp(toDevice: (type: number) => boolean = () => true) {
  const broker = await startMosquitto();
  cleanups.push(() => broker.close());
  const way = await startRelay(`tcp:127.0.0.1:${broker.port}`);
  cleanups.push(() => way.close());
  const watcher = await connectAsync(broker.url);
  cleanups.push(() => watcher.endAsync(true));
  const heard: [topic: string, message: Buffer][] = [];
  let wake: () => void = () => undefined;
  const until = async (condition: () => boolean) => {
    while (!condition()) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };
  watcher.on("message", (topic, message) => {
    heard.push([topic, message]);
    wake();
  });
  await watcher.subscribeAsync("hedge/v1/porch/#", { qos: 1 });
  const session = new Session({
    broker: way.link.replace("tcp:", "mqtt://"),
    device: "porch",
    toDevice: (type) => {
      setImmediate(wake);
      return toDevice(type);
    },
    onBroker: () => wake(),
    log: pino({ level: "silent" }),
  });
  cleanups.push(() => session.stop());
  /** Numbers of the events that came; one whose acknowledgement was lost comes twice. */
  const events = () => {
    const messages = heard.filter(([topic]) => topic === eventTopic("porch"));
    return [...new Set(messages.map(([, message]) => decodeEvent(message).number))];
  };
  const status = () => heard.findLast(([topic]) => topic === statusTopic("porch"))?.[1].toString();
  return { way, watcher, session, heard, until, events, status };
}

describe("a device's session", () => {
  it("keeps what it may while the broker is away, in order, and drops and counts the rest", async () => {
    const { way, session, until, events, status } = await setUp();
    // Before there is a broker, too.
    session.up(FRAME_TYPES.event, event(0));
    await until(() => events().length === 1 && status() === "online");
    const { target } = way;
    way.target = undefined;
    way.cut();
    await until(() => !session.online && status() === "offline");
    for (let i = 1; i <= 200; i++) session.up(FRAME_TYPES.event, event(i));
    for (let i = 0; i < 5; i++) session.up(FRAME_TYPES.offload, offload);
    way.target = target;
    await until(() => events().length === 65);
    expect(events()).toEqual([0, ...Array.from({ length: 64 }, (_, i) => 137 + i)]);
    expect(session.counts).toMatchObject({ down: 0, invalid: 0, dropped: 136 + 5 });
  });

  it("drops and counts what the device's link does not take", async () => {
    const taken: number[] = [];
    const { watcher, session, until, status } = await setUp((type) => taken.push(type) > 2);
    await until(() => session.online && status() === "online");
    const command = encodeCommand({ request: 1, operation: "describe", number: 0, check: 0, data: new Uint8Array() });
    for (let i = 0; i < 5; i++) await watcher.publishAsync(commandTopic("porch"), Buffer.from(command), { qos: 1 });
    await until(() => taken.length === 5);
    expect(taken).toEqual(Array(5).fill(FRAME_TYPES.command));
    expect(session.counts).toMatchObject({ down: 3, dropped: 2, invalid: 0 });
  });

  it("says goodbye when it is stopped, and ends without a broker, too", async () => {
    const { way, session, until, status, heard } = await setUp();
    await until(() => session.online && status() === "online");
    await session.stop();
    await until(() => status() === "offline");
    const before = heard.length;
    way.target = undefined;
    const lonely = new Session({
      broker: way.link.replace("tcp:", "mqtt://"),
      device: "porch",
      toDevice: () => true,
      onBroker: () => undefined,
      log: pino({ level: "silent" }),
    });
    lonely.up(FRAME_TYPES.event, event(1));
    await lonely.stop();
    expect(lonely.counts).toEqual({ up: 0, down: 0, invalid: 0, dropped: 1 });
    expect(heard).toHaveLength(before);
  });
});
