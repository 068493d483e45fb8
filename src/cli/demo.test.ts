import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { buildCli, runCli } from "../../test/support/built.ts";
import { tinyAnswer, tinyBundle } from "../../test/support/tiny-bundle.ts";
import { tinyCloudLabel, tinyHybrid } from "../../test/support/tiny-cloud.ts";
import { writeBundle } from "../bundle/write.ts";
import { EXIT_CODES } from "../errors.ts";

const COUNT = 60;
/** Pixels that make the exit sure of about half of the samples. */
const sample = (i: number) =>
  Int8Array.of((i * 37) % 101, ((i * 53) % 97) - 48, ((i * 11) % 89) - 44, ((i * 29) % 251) - 125);
const truth = (i: number) => i % 3;

let parent: string;
let folder: string;
let images: string;
beforeAll(async () => {
  buildCli();
  parent = await mkdtemp(join(tmpdir(), "hedge-demo-"));
  folder = join(parent, "bundle");
  await writeBundle(folder, await tinyHybrid());
  images = join(parent, "images.bin");
  const records = Array.from({ length: COUNT }, (_, i) => [truth(i), ...Array.from(sample(i), (pixel) => pixel + 128)]);
  await writeFile(images, Uint8Array.from(records.flat()));
});
afterAll(() => rm(parent, { recursive: true, force: true }));

it("reports what the devices and the worker really answered", async () => {
  const { code, stdout, stderr } = await runCli(["demo", folder, "--images", images, "--devices", "3", "--json"]);
  expect(stderr).toBe("");
  expect(code).toBe(0);
  const edge = Array.from({ length: COUNT }, (_, i) => tinyAnswer(sample(i)));
  const cloud = edge.map((_, i) => tinyCloudLabel(sample(i)));
  const sure = edge.filter(({ exited }) => exited).length;
  expect(sure).toBeGreaterThan(10);
  expect(COUNT - sure).toBeGreaterThan(10);
  const right = (label: (i: number) => number, keep: (i: number) => boolean = () => true) => {
    const kept = edge.map((_, i) => i).filter(keep);
    return kept.filter((i) => label(i) === truth(i)).length / kept.length;
  };
  const answer = (i: number) => (edge[i]?.exited ? (edge[i]?.label as number) : (cloud[i] as number));
  expect(JSON.parse(stdout)).toMatchObject({
    model: "tiny",
    engine: "wasm3",
    devices: 3,
    images: COUNT,
    threshold: 0.5,
    coverage: sure / COUNT,
    accuracy: {
      edge: right(answer, (i) => edge[i]?.exited === true),
      offloaded: right(answer, (i) => edge[i]?.exited === false),
      overall: right(answer),
      whole: right((i) => cloud[i] as number),
      exit: right((i) => edge[i]?.label as number),
    },
    offloaded: COUNT - sure,
    unconfirmed: 0,
    lost: 0,
    payloadBytes: 4,
    // Two steps for a sample that exits, three for one that does not.
    step: { perImage: (2 * sure + 3 * (COUNT - sure)) / COUNT },
    memory: { linear: 64, stack: 1024 },
  });
});

it("ends with a table for people", async () => {
  const { code, stdout } = await runCli([
    "demo",
    folder,
    "--images",
    images,
    "--threshold",
    "0",
    "--engine",
    "v8",
    "-n",
    "7",
  ]);
  expect(code).toBe(0);
  expect(stdout).toMatch(/answered on the device \(entropy < 0 nats\) +│ +0\.0 %/);
  expect(stdout).toMatch(/offloaded; unconfirmed; lost +│ +7; 0; 0/);
});

it.each([
  ["images that are not there", () => [folder, "--images", join(parent, "none")], "none does not exist"],
  ["records of another size", () => [folder, "--images", join(folder, "edge.wasm")], "edge.wasm has"],
  ["a folder without a bundle", () => [parent, "--images", images], "manifest.json does not exist"],
])("names %s", async (_, args, message) => {
  const { code, stderr } = await runCli(["demo", ...args()]);
  expect(code).toBe(EXIT_CODES.input);
  expect(stderr).toContain(message);
});

it("needs a cloud part", async () => {
  const edgeOnly = join(parent, "edge-only");
  await writeBundle(edgeOnly, await tinyBundle({ edgeOnly: true }));
  const { code, stderr } = await runCli(["demo", edgeOnly, "--images", images]);
  expect(code).toBe(EXIT_CODES.input);
  expect(stderr).toContain("has no cloud part");
});

it("says why its worker did not start", async () => {
  const broken = join(parent, "broken");
  await writeBundle(broken, await tinyBundle());
  const { code, stderr } = await runCli(["demo", broken, "--images", images]);
  expect(code).toBe(EXIT_CODES.network);
  expect(stderr).toContain("onnxruntime does not load the cloud part of tiny");
});
