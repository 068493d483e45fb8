/**
 * The shipped model on every emulated board, over Ethernet (with TLS, too) and over the UART with a gateway, through mosquitto and a worker: answers, exit
 * decisions and payload bytes as wasm3 and onnxruntime have them on the host. The bench does it with more images.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Variant } from "../../src/boards/state.ts";
import type { Bundle } from "../../src/bundle/bundle.ts";
import { compileFile } from "../../src/bundle/compile.ts";
import { type CloudWorker, startWorker } from "../../src/cloud/worker.ts";
import { type ExpectedRun, expectRun } from "../../src/explore/firmware/expected.ts";
import { compareRun } from "../../src/explore/firmware/identity.ts";
import { type Lab, openLab } from "../../src/explore/firmware/lab.ts";
import { type SecuredBroker, startSecuredBroker } from "../../src/explore/firmware/secured-broker.ts";
import { readStripSamples } from "../../src/explore/strip.ts";
import { buildBoards } from "../support/board-firmware.ts";

const MODEL = "models/resnet20-12e6c-2bit/model.onnx";
const IMAGES = "models/cifar10-test-500";
const COUNT = 4;
/** Milliseconds: longer than a worker takes on a busy machine. */
const DEADLINE = 60_000;
const PROFILES = ["portable", "native"] as const;

const BOARDS = ["mps2-an385", "mps2-an386", "mps2-an505", "riscv-virt"] as const;
type Way = readonly [board: (typeof BOARDS)[number], variant: Variant, transport: "uart" | "mqtt"];
const WAYS: readonly Way[] = [
  ...BOARDS.map((board): Way => [board, "plain", "uart"]),
  ...BOARDS.slice(0, 3).map((board): Way => [board, "plain", "mqtt"]),
  ["mps2-an386", "tls", "mqtt"],
  ["mps2-an505", "tls", "mqtt"],
  ["mps2-an385", "small", "mqtt"],
  ["mps2-an386", "small", "uart"],
];

const runs = {} as Record<(typeof PROFILES)[number], ExpectedRun>;
let field: SecuredBroker;
let worker: CloudWorker;
let folder: string;

beforeAll(async () => {
  await buildBoards(BOARDS);
  await buildBoards(["mps2-an386", "mps2-an505"], "tls");
  await buildBoards(["mps2-an385", "mps2-an386"], "small");
  for (const kernels of PROFILES) {
    const { bundle } = await compileFile(MODEL, { kernels });
    const { images } = await readStripSamples(IMAGES, bundle.manifest, COUNT);
    runs[kernels] = await expectRun(bundle, images);
  }
  folder = await mkdtemp(join(tmpdir(), "hedge-end-to-end-"));
  field = await startSecuredBroker(folder);
  const bundles = PROFILES.map((profile) => runs[profile].bundle);
  const { url } = field.broker;
  worker = await startWorker({ broker: url, bundles, name: "w", processes: 1, log: pino({ level: "silent" }) });
});

afterAll(async () => {
  await worker?.stop();
  await field?.broker.close();
  await rm(folder, { recursive: true });
});

function open([board, variant, transport]: Way, bundle: Bundle): Promise<Lab> {
  const config = { deadlineMs: DEADLINE, ...(variant === "tls" && field.secured) };
  return openLab({ board, variant, transport, bundle, broker: field.broker.url, config });
}

it("has samples of both kinds", () => {
  for (const { samples } of Object.values(runs))
    expect(samples.filter(({ edge }) => edge.exited)).toHaveLength(COUNT / 2);
});

describe.each(WAYS)("%s, %s, over %s", (...way) => {
  it.each(PROFILES)("%s profile: as on the host", async (profile) => {
    const { bundle } = runs[profile];
    const lab = await open(way, bundle);
    try {
      expect(await compareRun(lab, field.broker.url, runs[profile], () => undefined)).toEqual([]);
      const { model, resetCause, counts } = await lab.device.describe();
      expect({ model, resetCause }).toMatchObject({ model: { digest: bundle.digest }, resetCause: "powerOn" });
      expect(counts).toMatchObject({ samples: COUNT, exited: COUNT / 2, answered: COUNT / 2, invalid: 0, dropped: 0 });
    } finally {
      await lab.close();
    }
  });
});

it("tells every kind of difference", async () => {
  const { bundle, threshold, samples } = runs.native;
  const lab = await open(["mps2-an386", "plain", "mqtt"], bundle);
  try {
    const [sure, unsure] = [true, false].map((exited) => samples.find(({ edge }) => edge.exited === exited)!);
    const { edge } = unsure!;
    const payload = edge.payload!.map((byte, i) => (i === 99 ? byte ^ 4 : byte));
    const other = [
      { ...sure!, edge: { ...sure!.edge, exited: false, entropy: sure!.edge.entropy + 1 } },
      {
        ...unsure!,
        label: unsure!.label + 1,
        check: unsure!.check ^ 1,
        edge: { ...edge, label: edge.label + 1, payload },
      },
    ];
    const found = await compareRun(lab, field.broker.url, { bundle, threshold, samples: other }, () => undefined);
    expect(found.map((sentence) => sentence.replace(/ -?\d+, not .*/, ""))).toEqual([
      "image 0: source edge, not cloud",
      "image 0: entropy",
      "image 1: label",
      "image 1: edgeLabel",
      "image 1: check",
      "offload 0, attempt 1: another payload",
    ]);
  } finally {
    await lab.close();
  }
});
