/** What operators see of a worker, held against what was sent to it; and how it ends. */
import { connect } from "node:net";
import { setTimeout } from "node:timers/promises";
import { pino } from "pino";
import { afterEach, describe, expect, it } from "vitest";
import { BROKERS, freePort } from "../../test/support/brokers.ts";
import { hedge } from "../../test/support/in-process.ts";
import { offloadOf, offloadProbe } from "../../test/support/offload-probe.ts";
import { tinyHybrid } from "../../test/support/tiny-cloud.ts";
import { EXIT_CODES } from "../errors.ts";
import { startPostgres } from "../explore/postgres.ts";
import { offloadTopic } from "../wire/topics.ts";
import { METRICS } from "./metrics.ts";
import { fetchStatus, type WorkerStatus } from "./status.ts";
import { type CloudWorker, startWorker, type WorkerOptions } from "./worker.ts";

const log = pino({ level: "silent" });
const HTTP = "127.0.0.1:0";
const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function setUp(kind: keyof typeof BROKERS, count: number, options: Partial<WorkerOptions> = {}) {
  const broker = await BROKERS[kind]();
  cleanups.push(() => broker.close());
  const bundle = await tinyHybrid();
  const probe = await offloadProbe(broker.url);
  cleanups.push(probe.close);
  const workers: CloudWorker[] = [];
  for (let i = 0; i < count; i++) {
    const name = `w${i}`;
    const worker = await startWorker({
      broker: broker.url,
      bundles: [bundle],
      name,
      processes: 1,
      log,
      http: HTTP,
      ...options,
    });
    cleanups.push(() => worker.stop());
    workers.push(worker);
  }
  return { broker, bundle, probe, workers };
}

/** By `name{labels}`, or `name` without labels: the values of Prometheus' text. */
async function scrape({ http }: CloudWorker): Promise<Map<string, number>> {
  const text = await (await fetch(`${http}/metrics`)).text();
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(
    lines.map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.slice(line.lastIndexOf(" ") + 1))]),
  );
}

/** The sum over the workers of all series whose name begins so. */
async function total(workers: readonly CloudWorker[], prefix: string): Promise<number> {
  const pages = await Promise.all(workers.map(scrape));
  return pages
    .flatMap((page) => [...page])
    .filter(([name]) => name.startsWith(prefix))
    .reduce((sum, [, value]) => sum + value, 0);
}

describe.each([
  ["aedes", 1, "single"],
  ["mosquitto", 2, "shared"],
] as const)("metrics of workers on %s", (kind, count, mode) => {
  it("are what was sent", async () => {
    const { bundle, probe, workers } = await setUp(kind, count, { quota: { rate: 1, burst: 60 } });
    for (let i = 0; i < 40; i++) await probe.offer(offloadOf(bundle, i));
    for (let i = 40; i < 43; i++) await probe.offer(offloadOf(bundle, i, { deadline: Date.now() - 1000 }));
    for (let i = 43; i < 45; i++) await probe.offer(offloadOf(bundle, i, { model: "5e".repeat(32) }));
    await probe.send(offloadTopic("d"), Uint8Array.of(0x91, 1));
    await probe.until(() => probe.results.length === 45 && probe.dead.length === 3);
    const short = bundle.digest.slice(0, 12);
    const samples = (as: string, model: string) => total(workers, `hedge_samples_total{as="${as}",model="${model}"}`);
    expect(await samples("answered", short)).toBe(40);
    expect(await samples("expired", short)).toBe(3);
    // A digest that a sender made up has no label.
    expect(await samples("refused", "other")).toBe(2);
    expect(await total(workers, "hedge_dead_letters_total")).toBe(3);
    expect(await total(workers, 'hedge_dead_letters_total{reason="model"}')).toBe(2);
    expect(await total(workers, 'hedge_dead_letters_total{reason="frame"}')).toBe(1);
    expect(await total(workers, "hedge_serve_seconds_count")).toBe(45);
    expect(await total(workers, "hedge_deadline_left_seconds_count")).toBe(45);
    expect(await total(workers, 'hedge_deadline_left_seconds_bucket{le="0"}')).toBe(3);
    // Every sample that was run was run in one batch.
    expect(await total(workers, "hedge_batch_size_sum")).toBe(40);
    const batches = await total(workers, "hedge_batch_size_count");
    expect(await total(workers, "hedge_run_seconds_count")).toBe(batches);
    expect(await total(workers, "hedge_queue_wait_seconds_count")).toBe(batches);
    expect(await total(workers, "hedge_model_events_total")).toBe(count);
    expect(await total(workers, "hedge_models_loaded")).toBe(count);
    expect(await total(workers, "hedge_connected")).toBe(count);
    expect(await total(workers, "hedge_ready")).toBe(count);
    expect(await total(workers, "hedge_pending")).toBe(0);
    expect(await total(workers, "hedge_history_written_total")).toBe(0);
    for (const worker of workers) {
      const page = await scrape(worker);
      const status = worker.status();
      expect(page.get(`hedge_worker_info{name="${status.name}",mode="${mode}"}`)).toBe(1);
      expect(page.get("hedge_process_deaths_total")).toBe(0);
      expect(page.get("process_start_time_seconds")).toBeGreaterThan(0);
    }
  });

  it("count what is beyond a quota, and repeated answers", async () => {
    const { bundle, probe, workers } = await setUp(kind, 1, { quota: { rate: 0.001, burst: 5 } });
    for (const i of [0, 1, 2, 3, 0, 5, 6, 7, 8]) await probe.offer(offloadOf(bundle, i));
    await probe.until(() => probe.results.length === 9 && probe.dead.length === 1);
    expect(await total(workers, 'hedge_samples_total{as="answered"')).toBe(4);
    expect(await total(workers, 'hedge_samples_total{as="repeated"')).toBe(1);
    expect(await total(workers, 'hedge_samples_total{as="limited"')).toBe(4);
    expect(await total(workers, 'hedge_dead_letters_total{reason="quota"}')).toBe(1);
  });
});

it("has every metric on its page, and no label that a sender may choose", async () => {
  const { bundle, probe, workers } = await setUp("aedes", 1);
  for (let i = 0; i < 50; i++) await probe.offer(offloadOf(bundle, i, { model: i.toString(16).padStart(64, "0") }));
  await probe.until(() => probe.results.length === 50);
  const text = await (await fetch(`${workers[0]?.http}/metrics`)).text();
  for (const [name, { type }] of Object.entries(METRICS)) expect(text).toContain(`# TYPE ${name} ${type}\n`);
  const models = new Set([...text.matchAll(/model="([^"]*)"/g)].map(([, model]) => model));
  expect([...models].sort()).toEqual([bundle.digest.slice(0, 12), "other"].sort());
});

describe("a worker's HTTP server", () => {
  it("says that it lives and is ready, and its status", async () => {
    const { workers, broker, bundle } = await setUp("mosquitto", 1);
    const { http } = workers[0] as CloudWorker;
    const ask = async (path: string, method = "GET") => {
      const response = await fetch(`${http}${path}`, { method });
      return [response.status, (await response.text()).trim()];
    };
    expect(await ask("/health")).toEqual([200, "ok"]);
    expect(await ask("/ready?verbose")).toEqual([200, "ready"]);
    expect(await ask("/ready", "HEAD")).toEqual([200, ""]);
    expect(await ask("/metrics", "POST")).toEqual([405, "GET only"]);
    expect((await ask("/"))[0]).toBe(404);
    expect((await ask("/__proto__"))[0]).toBe(404);
    const status = await fetchStatus(http as string);
    expect(status).toMatchObject({
      ...{ name: "w0", pid: process.pid, broker: broker.url, mode: "shared", ready: true, reason: "", pending: 0 },
      models: [{ name: "tiny", digest: bundle.digest, waiting: 0, oldestMs: 0 }],
      processes: { deaths: 0 },
    });
    expect(status.processes.alive).toBeGreaterThan(0);
  });

  it("is not ready without its broker, and when it stops, and lives all the same", async () => {
    const { workers, broker } = await setUp("aedes", 1);
    const [worker] = workers as [CloudWorker];
    await broker.close();
    const until = async (reason: string) => {
      for (;;) {
        const response = await fetch(`${worker.http}/ready`);
        if (response.status === 503) return expect((await response.text()).trim()).toBe(reason);
      }
    };
    await until("no connection to the broker");
    expect((await fetch(`${worker.http}/health`)).status).toBe(200);
    const stopping = worker.stop();
    expect(worker.status()).toMatchObject({ ready: false, reason: "stopping" });
    await stopping;
    await expect(fetch(`${worker.http}/health`)).rejects.toThrow();
  });

  it("takes no more than a request needs, and from few at a time", async () => {
    const { workers } = await setUp("aedes", 1);
    const { port } = new URL(workers[0]?.http as string);
    const say = async (text: string) => {
      const socket = connect(Number(port), "127.0.0.1", () => socket.write(text));
      let said = "";
      socket.on("data", (bytes) => (said += bytes)).on("error", () => undefined);
      await new Promise((resolve) => socket.once("close", resolve));
      return said.split("\r\n", 1)[0];
    };
    expect(await say(`GET /health HTTP/1.1\r\nx: ${"x".repeat(8000)}\r\n\r\n`)).toContain("431");
    expect(await say("\x16\x03\x01")).toContain("400");
    const silent = Array.from({ length: 40 }, () => connect(Number(port), "127.0.0.1"));
    // Those beyond the limit are closed at once, and the others make room for who asks.
    await Promise.race(silent.map((socket) => new Promise((resolve) => socket.once("close", resolve))));
    for (const socket of silent) socket.destroy();
    const answers = () =>
      fetch(`${workers[0]?.http}/health`).then(
        ({ ok }) => ok,
        () => false,
      );
    while (!(await answers())) await setTimeout(20);
  });

  it("needs a port that is free", async () => {
    const { workers, broker, bundle } = await setUp("aedes", 1);
    const http = workers[0]?.http?.slice("http://".length) as string;
    await expect(
      startWorker({ broker: broker.url, bundles: [bundle], name: "x", processes: 1, log, http }),
    ).rejects.toThrow(`cannot listen on ${http} (EADDRINUSE)`);
  });
});

describe("hedge worker status", () => {
  it("shows workers and their models, for people and as JSON", async () => {
    const { workers, bundle } = await setUp("mosquitto", 2);
    const urls = workers.map(({ http }) => http as string);
    const { code, out } = await hedge("worker", "status", ...urls);
    expect(code).toBe(0);
    for (const word of ["w0", "w1", "ready", "shared", "tiny", bundle.digest.slice(0, 12)]) expect(out).toContain(word);
    const json = await hedge("--json", "worker", "status", ...urls);
    expect(JSON.parse(json.out)).toMatchObject([
      { url: urls[0], status: { name: "w0", mode: "shared", ready: true } },
      { url: urls[1], status: { name: "w1" } },
    ]);
  });

  it("ends with the code of a failed check when one is not ready, of the network when one is not there", async () => {
    const { workers, broker } = await setUp("aedes", 1);
    const [worker] = workers as [CloudWorker];
    const url = worker.http as string;
    await broker.close();
    while (worker.status().connected) await setTimeout(5);
    const lame = await hedge("worker", "status", url);
    expect(lame.code).toBe(EXIT_CODES.check);
    expect(lame.out).toContain("no connection to the broker");
    expect(lame.err).toContain("Not ready: w0");
    await worker.stop();
    const gone = await hedge("worker", "status", url);
    expect(gone.code).toBe(EXIT_CODES.network);
    expect(gone.err).toContain(`No worker tells its status at ${url}: ECONNREFUSED.`);
    for (const wrong of ["worker-1", "http://ada:enigma@127.0.0.1:9464", "ftp://ada:enigma@127.0.0.1"]) {
      const { code, out, err } = await hedge("worker", "status", wrong);
      expect(code).toBe(EXIT_CODES.usage);
      expect(out + err).not.toContain("enigma");
    }
  });

  it("does not take others for a worker", async () => {
    const { createServer } = await import("node:http");
    const answers = ["{}", "<html>", "x".repeat(2 << 20)];
    const server = createServer((_request, response) => response.end(answers.shift())).listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    cleanups.push(() => new Promise((resolve) => server.close(resolve)));
    const { port } = server.address() as { port: number };
    const url = `http://127.0.0.1:${port}`;
    for (const reason of ["is no worker", "is no worker", "says too much"]) {
      await expect(fetchStatus(url)).rejects.toThrow(reason);
    }
  });
});

describe("a worker that stops under load", () => {
  it("answers everything that the broker gave it, and leaves the rest to the others", async () => {
    const { bundle, probe, workers } = await setUp("mosquitto", 3, { maxPending: 16 });
    const count = 1500;
    const sent: Promise<unknown>[] = [];
    // Each is offered once: what a worker that goes away loses would never be answered.
    for (let i = 0; i < count; i++) {
      sent.push(probe.offer(offloadOf(bundle, i)));
      if (i % 50 === 0) await sent.at(-1);
      if (i === 500) sent.push((workers[0] as CloudWorker).stop());
      if (i === 900) sent.push((workers[1] as CloudWorker).stop());
    }
    await Promise.all(sent);
    await probe.until(() => probe.results.length === count);
    expect(new Set(probe.results.map(({ sample }) => sample)).size).toBe(count);
    expect(probe.results.every(({ state }) => state === "answered")).toBe(true);
    const answered = workers.map(({ counts }) => counts.answered);
    expect(answered.reduce((a, b) => a + b)).toBe(count);
    for (const share of answered) expect(share).toBeGreaterThan(0);
  });
});

describe("a worker whose history goes away", () => {
  it("goes on answering, and writes all of it once the history is back", async () => {
    const postgres = await startPostgres();
    cleanups.push(() => postgres.close());
    const { bundle, probe, workers } = await setUp("mosquitto", 1, { history: { url: postgres.url } });
    const [worker] = workers as [CloudWorker];
    const offer = async (from: number, to: number) => {
      for (let i = from; i < to; i++) await probe.offer(offloadOf(bundle, i));
      await probe.until(() => probe.results.length === to);
    };
    const until = async (holds: (history: NonNullable<WorkerStatus["history"]>) => boolean) => {
      while (!holds(worker.status().history!)) await setTimeout(20);
    };
    await offer(0, 20);
    // The model was loaded, too.
    await until(({ written }) => written === 21);
    await postgres.kill();
    await offer(20, 50);
    expect(worker.status()).toMatchObject({ ready: true, history: { written: 21, waiting: 30, dropped: 0 } });
    await postgres.start();
    await until(({ written }) => written === 51);
    expect(await total(workers, "hedge_history_written_total")).toBe(51);
    expect(await total(workers, "hedge_history_connected")).toBe(1);
    const [row] = await postgres.query("SELECT count(*)::int AS count FROM samples");
    expect(row).toEqual({ count: 50 });
  });

  it("that was never there starts all the same", async () => {
    const url = `postgres://hedge:secret@127.0.0.1:${await freePort()}/hedge`;
    const { bundle, probe, workers } = await setUp("aedes", 1, { history: { url } });
    await probe.offer(offloadOf(bundle, 1));
    await probe.until(() => probe.results.length === 1);
    const { history, ready } = (workers[0] as CloudWorker).status();
    expect([ready, history?.connected, history?.written]).toEqual([true, false, 0]);
    const { out } = await hedge("worker", "status", workers[0]?.http as string);
    expect(out).toContain("away");
    expect(out).not.toContain("secret");
  });
});
