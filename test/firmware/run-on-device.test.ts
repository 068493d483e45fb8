/** `hedge run` with a device: the firmware as a process, its model put there by `hedge flash`. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { generateKey, writeKey } from "../../src/slot/keys.ts";
import { type FlashFile, flashWith, type HostBoard, startHostBoard } from "../support/host-device.ts";
import { hedge } from "../support/in-process.ts";

const MODEL = "models/resnet20-12e6c-2bit/model.onnx";

let folder: string;
let bundle: string;
let flash: FlashFile;
let board: HostBoard;
let link: string;
let samples: string[];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "hedge-run-on-device-"));
  bundle = join(folder, "bundle");
  expect((await hedge("compile", MODEL, "-o", bundle)).code).toBe(0);
  const key = generateKey();
  const pem = join(folder, "signer.pem");
  await writeKey(pem, key, false);
  // Nobody finishes samples here: the exit's answer soon stands.
  flash = await flashWith({ id: "porch", transport: "uart", signers: [key.point], deadlineMs: 100 });
  board = await startHostBoard(flash.path);
  link = board.link;
  samples = [];
  for (const [i, pixel] of [(n: number) => n % 256, () => 200].entries()) {
    const path = join(folder, `sample${i}.json`);
    await writeFile(path, JSON.stringify(Array.from({ length: 3072 }, (_, n) => (pixel(n) - 128) / 64)));
    samples.push(path);
  }
  const empty = await hedge("run", bundle, ...samples, "--link", link);
  expect(empty).toMatchObject({ code: 3, err: expect.stringContaining("porch runs no model") });
  expect((await hedge("flash", bundle, "--link", link, "--key", pem)).code).toBe(0);
});

afterAll(async () => {
  await board?.stop();
  await flash?.remove();
  await rm(folder, { recursive: true });
});

it("answers as the host does", async () => {
  const here = JSON.parse((await hedge("run", bundle, ...samples, "--edge-only", "--json")).out);
  const there = JSON.parse((await hedge("run", bundle, ...samples, "--link", link, "--json")).out);
  const answers = (rows: Record<string, unknown>[]) =>
    rows.map(({ sample, label, class: name, source, entropy }) => ({ sample, label, name, source, entropy }));
  expect(answers(there)).toEqual(answers(here));
});

it("refuses another model's bundle", async () => {
  const native = join(folder, "native");
  expect((await hedge("compile", MODEL, "-o", native, "--kernels", "native")).code).toBe(0);
  const { code, err } = await hedge("run", native, ...samples, "--link", link);
  expect(code).toBe(3);
  expect(err).toContain("porch runs another model");
});

it.each([
  [["--link", "tcp:127.0.0.1:1", "--device", "porch"], "A device is named twice"],
  [["--board", "nothing-here"], "No board runs"],
  [["--device", "porch", "--threshold", "1"], "cannot be used with option"],
])("hedge run %j is refused", async (options, sentence) => {
  const { code, err } = await hedge("run", bundle, ...samples, ...options);
  expect(code).toBe(2);
  expect(err).toContain(sentence);
});
