import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { connectAsync, type MqttClient } from "mqtt";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { EXIT_CODES } from "../../src/errors.ts";
import { type Postgres, startPostgres } from "../../src/explore/postgres.ts";
import { EVENT_CODES, encodeAnswer, encodeDescription, encodeEvent } from "../../src/wire/device-frames.ts";
import { encodeDeadLetter } from "../../src/wire/frames.ts";
import { answerTopic, DEAD_TOPIC, eventTopic, statusTopic } from "../../src/wire/topics.ts";
import { startMosquitto, type TestBroker } from "../support/brokers.ts";
import { buildCli, cutOff, runCli, startCli } from "../support/built.ts";
import { rowsAt } from "./places.ts";
import { answer, description, MODEL } from "./records.ts";

/** For a machine that is busy with something else. */
const PATIENCE = { timeout: 120_000, interval: 50 };

let server: Postgres;
let broker: TestBroker;
let device: MqttClient;
let parent: string;
beforeAll(async () => {
  buildCli();
  parent = await mkdtemp(join(tmpdir(), "hedge-history-cli-"));
  [server, broker] = await Promise.all([startPostgres(), startMosquitto()]);
  device = await connectAsync(broker.url);
});
afterAll(async () => {
  await device?.endAsync();
  await Promise.all([broker?.close(), server?.close()]);
  await rm(parent, { recursive: true, force: true });
});

const say = (topic: string, frame: Uint8Array | string, retain = false) =>
  device.publishAsync(topic, Buffer.from(frame), { qos: 1, retain });

async function json(args: readonly string[]): Promise<unknown> {
  const { code, stdout, stderr } = await runCli(["--json", "history", ...args]);
  expect([code, stderr]).toEqual([0, ""]);
  return JSON.parse(stdout);
}

describe("hedge history on a server", () => {
  it("records what devices say, shows it, and lets it go", async () => {
    await say(statusTopic("porch"), "online", true);
    await say(answerTopic("old"), encodeAnswer(answer()), true);
    const { child, line } = await startCli([
      "--json",
      "history",
      "record",
      "--broker",
      broker.url,
      "--to",
      server.url,
      "--name",
      "rec",
    ]);
    onTestFinished(() => cutOff(child));
    expect(JSON.parse(line)).toEqual({ ready: true, name: "rec", to: expect.not.stringContaining("only-here") });
    const last = once(createInterface(child.stdout!), "line");

    for (let i = 0; i < 3; i++) await say(answerTopic("porch"), encodeAnswer(answer({ micros: i })));
    await say(eventTopic("porch"), encodeEvent({ request: 0, code: EVENT_CODES.started, number: 1, sentence: "up" }));
    await say(eventTopic("porch"), encodeDescription(description()));
    await say(
      DEAD_TOPIC,
      encodeDeadLetter({ reason: "model", sentence: "None.", device: "porch", size: 9, head: new Uint8Array(1) }),
    );
    const nested = new Uint8Array(60_000).fill(0x91);
    for (const topic of [
      answerTopic("porch"),
      eventTopic("porch"),
      DEAD_TOPIC,
      statusTopic("porch"),
      answerTopic("ä"),
    ]) {
      await say(topic, nested);
    }
    await say(statusTopic("porch"), "offline", true);
    await expect
      .poll(() => server.query("select what from events order by id").catch(() => []), PATIENCE)
      .toHaveLength(2);

    const exited = once(child, "exit");
    child.kill("SIGTERM");
    const [said] = await last;
    // The retained answer and five messages that are no frames.
    expect(JSON.parse(said)).toEqual({ name: "rec", written: 8, dropped: 0, refused: 0, invalid: 6 });
    expect(await exited).toEqual([0, null]);

    expect(await json(["migrate", "--at", server.url])).toEqual({ before: 2, now: 2 });
    expect(await json(["show", "--at", server.url])).toMatchObject({
      exits: { edge: 3 },
      dead: { model: 1 },
      devices: 1,
      models: 1,
    });
    expect(await json(["show", "devices", "--at", server.url])).toMatchObject([
      { name: "porch", online: false, board: "mps2-an386", model: MODEL, reset_cause: "watchdog" },
    ]);
    expect(await json(["show", "events", "--at", server.url, "--since", "1h", "--device", "porch"])).toMatchObject([
      { subject: "porch", what: "offline" },
      { subject: "porch", what: "started", number: 1, sentence: "up" },
    ]);
    expect(await json(["show", "exits", "--at", server.url, "--limit", "1"])).toHaveLength(1);
    const { stdout } = await runCli(["history", "show", "dead", "--at", server.url]);
    expect(stdout).toContain("porch");
    expect(await json(["prune", "--at", server.url, "--rows", "0"])).toEqual({ exits: 3, dead_letters: 1, events: 2 });
  });

  it("says what is wrong", async () => {
    const wrong = async (args: readonly string[], code: number, ...words: string[]) => {
      const ended = await runCli(["history", ...args]);
      expect([ended.code, ended.stdout]).toEqual([code, ""]);
      for (const word of words) expect(ended.stderr).toContain(word);
      expect(ended.stderr).not.toContain("s3cret");
    };
    const nowhere = join(parent, "nowhere");
    await wrong(["show", "--at", nowhere], EXIT_CODES.input, nowhere, "holds no history");
    await wrong(["show", "--at", server.url, "--since", "soon"], EXIT_CODES.usage, "--since", "no duration");
    await wrong(
      ["show", "--at", "postgres://me:s3cret@127.0.0.1:1/db"],
      EXIT_CODES.network,
      "postgres://me@127.0.0.1:1/db",
      "ECONNREFUSED",
    );
    await wrong(["show", "--at", server.url.replace("only-here", "s3cret")], EXIT_CODES.network, "refuses the user");
    await wrong(
      ["show", "--at", server.url.replace(/\/postgres$/, "/gone")],
      EXIT_CODES.input,
      '"gone" does not exist',
      "createdb",
    );
    await wrong(["prune", "--at", server.url], EXIT_CODES.usage, "Nothing says what is old");
    await wrong(["prune", "--at", server.url, "--bytes", "1MB"], EXIT_CODES.usage, "Only a folder's history");
  });
});

describe("hedge history in a folder", () => {
  it("is opened by one process at a time, and survives that process", async () => {
    const folder = join(parent, "folder");
    const recorder = ["history", "record", "--broker", broker.url, "--to", folder, "--log-level", "debug"];
    const { child } = await startCli(recorder);
    onTestFinished(() => cutOff(child));
    const log = createInterface(child.stderr!);
    const written = new Promise<void>((resolve) => log.on("line", (line) => line.includes('"written"') && resolve()));
    await Promise.all(
      Array.from({ length: 700 }, (_, i) => say(answerTopic("attic"), encodeAnswer(answer({ micros: i })))),
    );
    await written;

    const { code, stderr } = await runCli(["history", "show", "--at", folder]);
    expect(code).toBe(EXIT_CODES.input);
    expect(stderr).toContain(`${folder} is in use by process ${child.pid}`);
    await cutOff(child);
    // What was written is there, once; the lock of the dead holds up nobody.
    const [row] = await rowsAt(
      folder,
      "select count(*) as rows, count(distinct micros) as kinds, min(micros) as first, max(micros) as last from exits",
    );
    const { rows, kinds, first, last } = row as Record<string, number>;
    expect(rows).toBeGreaterThan(0);
    expect([kinds, first, last]).toEqual([rows, 0, rows! - 1]);
    // A folder's database is made in a process of its own: seconds of work, minutes on a busy machine.
  }, 600_000);
});
