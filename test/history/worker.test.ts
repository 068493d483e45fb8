import { pino } from "pino";
import { expect, it, onTestFinished } from "vitest";
import { startWorker } from "../../src/cloud/worker.ts";
import { startPostgres } from "../../src/explore/postgres.ts";
import { encodeOffload } from "../../src/wire/frames.ts";
import { offloadTopic } from "../../src/wire/topics.ts";
import { BROKERS } from "../support/brokers.ts";
import { offloadOf, offloadProbe } from "../support/offload-probe.ts";
import { tinyCloudLabel, tinyHybrid, unsureSample } from "../support/tiny-cloud.ts";

/** For a machine that is busy with something else. */
const PATIENCE = { timeout: 120_000, interval: 20 };

it("a worker answers while its history's server is dead, and has written all of it when that is back", async () => {
  const [bundle, broker, server] = await Promise.all([tinyHybrid(), BROKERS.mosquitto(), startPostgres()]);
  onTestFinished(async () => {
    await Promise.all([broker.close(), server.close()]);
  });
  const probe = await offloadProbe(broker.url);
  onTestFinished(probe.close);
  const worker = await startWorker({
    broker: broker.url,
    bundles: [bundle],
    name: "w0",
    processes: 1,
    history: { url: server.url },
    log: pino({ level: "silent" }),
  });
  onTestFinished(() => worker.stop());
  let told = 0;
  const answer = async (count: number) => {
    for (const end = told + count; told < end; told++) {
      await probe.send(offloadTopic("d"), encodeOffload(offloadOf(bundle, told)));
    }
    await probe.until(() => probe.results.length === told);
  };
  const status = () => worker.status().history;

  await answer(50);
  await expect.poll(() => status()?.connected && status()?.waiting, PATIENCE).toBe(0);
  await server.kill();
  await answer(50);
  await expect.poll(() => status()?.connected, PATIENCE).toBe(false);
  expect(status()).toMatchObject({ dropped: 0, waiting: 50 });
  await server.start();
  await expect.poll(() => status()?.waiting, PATIENCE).toBe(0);

  const rows = await server.query("select device, worker, state, label from outcomes order by sample");
  const expected = Array.from({ length: told }, (_, sample) => tinyCloudLabel(unsureSample(sample)));
  expect(rows).toEqual(expected.map((label) => ({ device: "d", worker: "w0", state: "answered", label })));
  expect(await server.query("select name, digest from models")).toEqual([{ name: "tiny", digest: bundle.digest }]);
  expect(await server.query("select what from events")).toEqual([{ what: "model loaded" }]);
});
