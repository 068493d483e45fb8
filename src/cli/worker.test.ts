/** `hedge worker` as a process: what it is told by a file and by signals. */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterEach, beforeEach, expect, it } from "vitest";
import { startMosquitto } from "../../test/support/brokers.ts";
import { cutOff, startCli } from "../../test/support/built.ts";
import { offloadOf, offloadProbe } from "../../test/support/offload-probe.ts";
import { tinyHybrid } from "../../test/support/tiny-cloud.ts";
import { writeBundle } from "../bundle/write.ts";

let folder: string;
const cleanups: (() => unknown)[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "hedge-worker-"));
  cleanups.push(() => rm(folder, { recursive: true, force: true }));
});
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

interface Running {
  readonly child: ChildProcess;
  readonly http: string;
  /** What it logs, line by line. */
  readonly log: Record<string, unknown>[];
}

async function start(broker: string, more = ""): Promise<Running> {
  await writeBundle(join(folder, "bundle"), await tinyHybrid());
  const config = join(folder, "worker.yaml");
  await writeFile(
    config,
    `broker: { url: "${broker}" }\nname: w\nbundles: [bundle]\nprocesses: 1\nhttp: 127.0.0.1:0\n${more}`,
  );
  const { child, line } = await startCli(["--json", "worker", "--config", config]);
  cleanups.push(() => cutOff(child));
  const log: Record<string, unknown>[] = [];
  let rest = "";
  child.stderr?.on("data", (text: string) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop() as string;
    log.push(...lines.map((entry) => JSON.parse(entry)));
  });
  return { child, http: (JSON.parse(line) as { http: string }).http, log };
}

it("does what its file says, and logs events without payloads", async () => {
  const broker = await startMosquitto();
  cleanups.push(() => broker.close());
  const { child, log, http } = await start(broker.url, "logLevel: debug\n");
  const probe = await offloadProbe(broker.url);
  cleanups.push(() => probe.close());
  const bundle = await tinyHybrid();
  for (let i = 0; i < 3; i++) await probe.offer(offloadOf(bundle, i));
  await probe.offer(offloadOf(bundle, 3, { model: "5e".repeat(32) }));
  await probe.until(() => probe.results.length === 4);
  const watching = await startCli(["--json", "worker", "status", http, "--watch"]);
  cleanups.push(() => cutOff(watching.child));
  expect(JSON.parse(watching.line)).toMatchObject([{ url: http, status: { name: "w", counts: { answered: 3 } } }]);
  const watched = once(watching.child, "exit");
  watching.child.kill("SIGINT");
  expect(await watched).toEqual([0, null]);
  const exited = once(child, "close");
  child.kill("SIGTERM");
  expect(await exited).toEqual([0, null]);
  const events = log.map(({ msg }) => msg);
  for (const event of ["served", "dead letter", "stopping", "stopped"]) expect(events).toContain(event);
  expect(log.find(({ msg }) => msg === "dead letter")).toMatchObject({ name: "w", device: "d", reason: "model" });
  expect(log.find(({ msg }) => msg === "stopped")).toMatchObject({ answered: 3, dead: 1 });
  for (const entry of log) expect(entry).not.toHaveProperty("payload");
});

it("ends at a second signal, however long it would go on answering", async () => {
  const broker = await startMosquitto();
  const { child, http } = await start(broker.url, "drain: 1h\n");
  // A broker that hangs: nothing is answered, and nobody says goodbye.
  process.kill(broker.pid, "SIGSTOP");
  cleanups.push(() => broker.kill());
  const exited = once(child, "exit");
  child.kill("SIGTERM");
  while ((await fetch(`${http}/ready`)).status !== 503) await setTimeout(10);
  expect(await (await fetch(`${http}/ready`)).text()).toBe("stopping\n");
  expect(child.exitCode).toBeNull();
  child.kill("SIGTERM");
  expect(await exited).toEqual([null, "SIGTERM"]);
});

it("ends when the time for that is over, though the broker hangs", async () => {
  const broker = await startMosquitto();
  const { child } = await start(broker.url, "drain: 50ms\n");
  process.kill(broker.pid, "SIGSTOP");
  cleanups.push(() => broker.kill());
  const exited = once(child, "exit");
  child.kill("SIGTERM");
  expect(await exited).toEqual([0, null]);
});
