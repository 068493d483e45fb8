/** Bundles that somebody altered, images that do not fit, brokers that are not there: the same word from every command. */
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { PNG } from "pngjs";
import { beforeAll, describe, expect, it } from "vitest";
import { compileModel } from "../../src/bundle/compile.ts";
import { writeBundle } from "../../src/bundle/write.ts";
import { EXIT_CODES } from "../../src/errors.ts";
import { encodeModel } from "../../src/import/onnx/codec.ts";
import { freePort } from "../support/brokers.ts";
import { hybridModel } from "../support/hybrid-model.ts";
import { hedge } from "../support/in-process.ts";
import { expectError, LABELLED_IMAGES, SMALL, useBench } from "../support/refusal.ts";

const bench = useBench();
const at = (...names: string[]) => join(bench.folder, ...names);
const MODEL = encodeModel(hybridModel(SMALL));

function png(width: number, height: number, change: (image: PNG) => unknown = () => undefined): Buffer {
  const image = new PNG({ width, height });
  image.data.fill(200);
  for (let i = 3; i < image.data.length; i += 4) image.data[i] = 255;
  change(image);
  return PNG.sync.write(image);
}
const FITS = png(8, 8);

beforeAll(async () => {
  await writeBundle(at("bundle"), (await compileModel(MODEL, "small.onnx")).bundle);
  await writeFile(at("fits.png"), FITS);
});

/** Every command that takes a bundle, as far as it comes without one. */
const COMMANDS: [name: string, args: (bundle: string) => string[]][] = [
  ["inspect", (bundle) => ["inspect", bundle]],
  ["run", (bundle) => ["run", bundle, at("fits.png")]],
  ["eval", (bundle) => ["eval", bundle, "--images", LABELLED_IMAGES]],
  ["worker", (bundle) => ["--quiet", "worker", bundle]],
  ["demo", (bundle) => ["demo", bundle, "--images", LABELLED_IMAGES]],
];

describe.each(COMMANDS)("hedge %s refuses", (name, args) => {
  it.each(["manifest.json", "edge.wasm", "weights.bin", "cloud.onnx"])(
    "a bundle with one byte of %s altered",
    async (part) => {
      const folder = at(`altered-${part}`);
      await mkdir(folder, { recursive: true });
      for (const file of await readdir(at("bundle"))) {
        const bytes = await readFile(at("bundle", file));
        // In the middle, where a manifest has its digits and a module its code.
        if (file === part) bytes[bytes.length >> 1]! ^= 1;
        await writeFile(join(folder, file), bytes);
      }
      const outcome = await hedge(...args(folder));
      expectError(outcome, EXIT_CODES.input);
      expect(outcome.err).toContain(join(folder, part));
    },
  );

  it.each(["manifest.json", "edge.wasm", "weights.bin", "cloud.onnx"])("a bundle without %s", async (part) => {
    const folder = at(`without-${part}`);
    await mkdir(folder, { recursive: true });
    for (const file of await readdir(at("bundle"))) {
      if (file !== part) await writeFile(join(folder, file), await readFile(at("bundle", file)));
    }
    const outcome = await hedge(...args(folder));
    expectError(outcome, EXIT_CODES.input);
    expect(outcome.err).toContain(`${join(folder, part)} does not exist.`);
  });

  it("a folder that is not there", async () => {
    const outcome = await hedge(...args(at("nowhere")));
    expectError(outcome, EXIT_CODES.input);
    expect(outcome.err).toContain(at("nowhere"));
    expect(outcome.err).toContain("does not exist.");
  });

  it("a file", async () => {
    const outcome = await hedge(...args(at("fits.png")));
    expectError(outcome, EXIT_CODES.input);
    expect(outcome.err).toContain(at("fits.png"));
  });

  it("to go without one", async () => {
    const outcome = await hedge(name);
    expectError(outcome, EXIT_CODES.usage);
    expect(outcome.err).toMatch(/Missing required argument|no bundle to serve/);
  });
});

describe("hedge run refuses an image", () => {
  it.each<[string, () => Uint8Array, RegExp]>([
    ["that is too wide", () => png(9, 8), /is 9 x 8 pixels, not 8 x 8\.\n {2}Scale or crop it to 8 x 8 first\./],
    [
      "that is huge in its header",
      () => Buffer.concat([FITS.subarray(0, 16), Buffer.alloc(8, 0x7f), FITS.subarray(24)]),
      /pixels, not 8 x 8/,
    ],
    ["that is cut short", () => FITS.subarray(0, FITS.length - 20), /is a damaged PNG/],
    ["of which the header alone is left", () => FITS.subarray(0, 20), /is no PNG image/],
    [
      "with a flipped byte",
      () => FITS.map((byte, i) => (i === FITS.length - 15 ? byte ^ 0xff : byte)),
      /is a damaged PNG/,
    ],
    ["that is a text", () => new TextEncoder().encode("a cat"), /is neither a PNG nor a JPEG image/],
    ["that is empty", () => new Uint8Array(), /is neither a PNG nor a JPEG image/],
    [
      "that is a JPEG in name only",
      () => Uint8Array.of(0xff, 0xd8, 0xff, 0xe0, 0, 1, 2, 3),
      /is a damaged or too large JPEG/,
    ],
    ["that is transparent", () => png(8, 8, (image) => image.data.fill(0, 3, 4)), /has transparent pixels/],
    [
      "that is too large",
      () => Buffer.concat([FITS, Buffer.alloc(2 << 20)]),
      /has \d+ bytes; at most \d+ are accepted/,
    ],
  ])("%s", async (_, bytes, message) => {
    await writeFile(at("bad.png"), bytes());
    // The good image beside it is not classified either.
    const outcome = await hedge("run", at("bundle"), at("fits.png"), at("bad.png"));
    expectError(outcome, EXIT_CODES.input);
    expect(outcome.err).toContain(at("bad.png"));
    expect(outcome.err).toMatch(message);
  });

  it("that is not there, or is a folder", async () => {
    const missing = await hedge("run", at("bundle"), at("none.png"));
    expectError(missing, EXIT_CODES.input);
    expect(missing.err).toContain(`${at("none.png")} does not exist.`);
    const folder = await hedge("run", at("bundle"), at("bundle"));
    expectError(folder, EXIT_CODES.input);
    expect(folder.err).toContain(`${at("bundle")} is no regular file.`);
  });
});

describe("labelled images that do not fit", () => {
  it.each([
    ["eval", "--images"],
    ["demo", "--images"],
  ])("are named by hedge %s", async (command, option) => {
    const size = await hedge(command, at("bundle"), option, LABELLED_IMAGES);
    expectError(size, EXIT_CODES.input);
    expect(size.err).toMatch(
      /models\/cifar10-test-500 holds images of 3 x 32 x 32 values and 10 classes, but random-hybrid takes 3 x 8 x 8/,
    );
    const missing = await hedge(command, at("bundle"), option, at("nowhere"));
    expectError(missing, EXIT_CODES.input);
    expect(missing.err).toContain(at("nowhere"));
  });
});

describe("a broker that is not there", () => {
  it.each<[string, (broker: string) => string[]]>([
    ["run", (broker) => ["run", at("bundle"), at("fits.png"), "--threshold", "0", "--broker", broker]],
    ["worker", (broker) => ["--quiet", "worker", at("bundle"), "--processes", "1", "--broker", broker]],
  ])("is named by hedge %s", async (_, args) => {
    const broker = `mqtt://127.0.0.1:${await freePort()}`;
    const outcome = await hedge(...args(broker));
    expectError(outcome, EXIT_CODES.network);
    expect(outcome.err).toMatch(new RegExp(`No MQTT broker answers at ${broker}: .*ECONNREFUSED.*\\n {2}Start one`));
    const address = await hedge(...args("localhost:1883"));
    expectError(address, EXIT_CODES.usage);
    expect(address.err).toContain('"localhost:1883" is not the address of an MQTT broker.');
  });
});

describe("arguments that are wrong", () => {
  it.each<[string, string[], string]>([
    ["an unknown command", ["compil"], "Unknown command 'compil'."],
    ["an unknown option", ["inspect", "x", "--colour"], "Unknown option '--colour'."],
    ["an engine that there is not", ["run", "x", "y.png", "--engine", "v9"], "argument 'v9' is invalid."],
    ["a threshold below zero", ["run", "x", "y.png", "--threshold=-1"], "argument '-1' is invalid."],
    ["a threshold that is no number", ["eval", "x", "--threshold", "low"], "argument 'low' is invalid."],
    ["a count that is no number", ["demo", "x", "--count", "many"], "argument 'many' is invalid."],
    ["no devices", ["demo", "x", "--devices", "0"], "argument '0' is invalid."],
    ["a broker for nobody", ["run", "x", "y.png", "--edge-only", "--broker", "mqtt://h"], "cannot be used with option"],
    ["an unknown dataset", ["data", "imagenet"], "'imagenet' is invalid for argument 'dataset'"],
  ])("%s", async (_, args, sentence) => {
    const outcome = await hedge(...args);
    expectError(outcome, EXIT_CODES.usage);
    expect(outcome.err).toContain(sentence);
  });

  it("a worker's name that topics cannot hold", async () => {
    const outcome = await hedge("--quiet", "worker", at("bundle"), "--name", "a/b");
    expectError(outcome, EXIT_CODES.usage);
    expect(outcome.err).toContain('"a/b"');
  });

  it("are said in JSON to whom asks for it", async () => {
    const { code, out, err } = await hedge("--json", "inspect", at("nowhere"));
    expect([code, out]).toEqual([EXIT_CODES.input, ""]);
    expect(JSON.parse(err)).toEqual({
      error: {
        kind: "input",
        message: expect.stringContaining(at("nowhere")),
        remedy: expect.stringContaining("hedge compile"),
      },
    });
  });
});
