import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { buildCli } from "../../test/support/built.ts";
import { tinyBundle } from "../../test/support/tiny-bundle.ts";
import { tinyHybrid, unsureSample } from "../../test/support/tiny-cloud.ts";
import { writeBundle } from "../bundle/write.ts";
import { runKilledWorker } from "./killed-worker.ts";

const COUNT = 60;
const images = Array.from({ length: COUNT }, (_, i) => unsureSample(i));
const report = () => {};

let parent: string;
let hedge: string;
beforeAll(async () => {
  hedge = buildCli();
  parent = await mkdtemp(join(tmpdir(), "hedge-killed-"));
});
afterAll(() => rm(parent, { recursive: true, force: true }));

it("loses nothing when the worker comes back", async () => {
  const bundle = await tinyHybrid();
  const folder = join(parent, "bundle");
  await writeBundle(folder, bundle);
  const run = await runKilledWorker({ bundle, folder, hedge, images, report });
  expect(run).toMatchObject({ samples: COUNT, answered: COUNT, lost: 0, wrong: 0 });
  // Those that went to nobody went again.
  expect(run.offered).toBeGreaterThan(COUNT);
});

it("counts as lost what no worker answers", async () => {
  const bundle = await tinyHybrid();
  const folder = join(parent, "left-dead");
  await writeBundle(folder, bundle);
  const run = await runKilledWorker({ bundle, folder, hedge, images, report, deadline: 400, restart: false });
  expect(run.lost).toBeGreaterThanOrEqual(COUNT / 2 - 1);
  expect(run.answered + run.lost).toBe(COUNT);
});

it("refuses a bundle that has nothing to offload", async () => {
  const bundle = await tinyBundle({ edgeOnly: true });
  await expect(runKilledWorker({ bundle, folder: parent, hedge, images, report })).rejects.toMatchObject({
    kind: "input",
    message: expect.stringContaining("The bundle tiny has no cloud part"),
  });
});
