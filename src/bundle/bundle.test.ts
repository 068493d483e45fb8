import { mkdir, mkdtemp, readdir, readFile, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { assemble, tinyBundle, tinyDraft, tinyWasm } from "../../test/support/tiny-bundle.ts";
import { HedgeError } from "../errors.ts";
import { type Bundle, createBundle } from "./bundle.ts";
import { canonicalJson, modelDigest } from "./digest.ts";
import type { Manifest, ManifestDraft } from "./manifest.ts";
import { readBundle } from "./read.ts";
import { manifestText, writeBundle } from "./write.ts";

let root: string;
let bundle: Bundle;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "hedge-bundle-"));
  bundle = await tinyBundle();
});
afterAll(() => rm(root, { recursive: true, force: true }));

let serial = 0;
/** A folder that holds the bundle. */
async function written(content: Bundle = bundle): Promise<string> {
  const directory = join(root, String(serial++));
  await writeBundle(directory, content);
  return directory;
}

/** What `readBundle` says about the folder; fails when it accepts it. */
async function refusal(directory: string): Promise<HedgeError> {
  const outcome = await readBundle(directory).catch((error: unknown) => error);
  if (!(outcome instanceof HedgeError)) throw new Error("the bundle was not refused", { cause: outcome });
  expect(outcome.kind).toBe("input");
  expect(outcome.remedy).not.toBe("");
  return outcome;
}

describe("writing and reading", () => {
  test("a bundle comes back as it was", async () => {
    expect(await readBundle(await written())).toEqual(bundle);
  });

  test("an edge-only bundle has no cloud half", async () => {
    const edgeOnly = await tinyBundle({ edgeOnly: true });
    const directory = await written(edgeOnly);
    expect(await readBundle(directory)).toEqual(edgeOnly);
    expect((await readdir(directory)).sort()).toEqual(["edge.wasm", "manifest.json", "weights.bin"]);
  });

  test("a bundle is replaced as a whole, and nothing else is left behind", async () => {
    const parent = join(root, "replace");
    await writeBundle(join(parent, "out"), bundle);
    await writeBundle(join(parent, "out"), await tinyBundle({ edgeOnly: true }));
    expect((await readBundle(join(parent, "out"))).cloudOnnx).toBeUndefined();
    expect(await readdir(parent)).toEqual(["out"]);
  });

  test("a folder that holds something else is left alone", async () => {
    const directory = join(root, "mine");
    await mkdir(directory);
    await writeFile(join(directory, "thesis.tex"), "");
    await expect(writeBundle(directory, bundle)).rejects.toThrow("holds files that are not a bundle's");
    // Other things have a manifest.json, too; and what somebody put beside a bundle is theirs.
    await writeFile(join(directory, "manifest.json"), JSON.stringify({ format: "hedge-bundle" }));
    await expect(writeBundle(directory, bundle)).rejects.toThrow("not a bundle's");
    await rm(join(directory, "thesis.tex"));
    await writeFile(join(directory, "manifest.json"), JSON.stringify({ name: "web application" }));
    await expect(writeBundle(directory, bundle)).rejects.toThrow("not a bundle's");
    expect(await readdir(directory)).toEqual(["manifest.json"]);
  });

  test("a place that cannot be written", async () => {
    const file = join(root, "file");
    await writeFile(file, "");
    for (const directory of [file, join(file, "out")]) {
      await expect(writeBundle(directory, bundle)).rejects.toThrow(HedgeError);
    }
  });
});

describe("the digest", () => {
  test("does not depend on the order of members, and covers every value", () => {
    const { manifest } = bundle;
    const reversed = Object.fromEntries(Object.entries(manifest).reverse()) as Manifest;
    expect(modelDigest(reversed)).toBe(bundle.digest);
    expect(modelDigest({ ...manifest, digest: "" })).toBe(bundle.digest);
    expect(modelDigest({ ...manifest, name: "other" })).not.toBe(bundle.digest);
    expect(modelDigest({ ...manifest, exit: { ...manifest.exit!, threshold: 0.25 } })).not.toBe(bundle.digest);
  });

  test("canonical JSON", () => {
    expect(canonicalJson({ b: [{ d: 1, c: null }], a: "x" })).toBe('{"a":"x","b":[{"c":null,"d":1}]}');
  });
});

describe("altered bundles", () => {
  test.each(["manifest.json", "edge.wasm", "weights.bin", "cloud.onnx"])("one byte of %s changed", async (name) => {
    const directory = await written();
    const path = join(directory, name);
    const original = await readFile(path);
    await fc.assert(
      fc.asyncProperty(fc.nat(original.length - 1), fc.integer({ min: 1, max: 255 }), async (at, change) => {
        const altered = Buffer.from(original);
        altered[at]! ^= change;
        await writeFile(path, altered);
        expect((await refusal(directory)).message).toContain(path);
      }),
      { numRuns: 300 },
    );
    await writeFile(path, original);
    expect(await readBundle(directory)).toEqual(bundle);
  });

  test.each(["manifest.json", "edge.wasm", "weights.bin", "cloud.onnx"])(
    "%s truncated, longer, missing, a folder",
    async (name) => {
      const directory = await written();
      const path = join(directory, name);
      const original = await readFile(path);
      for (const size of [0, 1, original.length - 1]) {
        await truncate(path, size);
        expect((await refusal(directory)).message).toContain(path);
        await writeFile(path, original);
      }
      await writeFile(path, Buffer.concat([original, Buffer.from("\n")]));
      expect((await refusal(directory)).message).toContain(path);
      await rm(path);
      expect((await refusal(directory)).message).toBe(`${path} does not exist.`);
      await mkdir(path);
      expect((await refusal(directory)).message).toBe(`${path} is no regular file.`);
    },
  );

  test("a part of another bundle", async () => {
    const directory = await written();
    await writeFile(join(directory, "cloud.onnx"), Uint8Array.of(3, 2, 1));
    expect((await refusal(directory)).message).toMatch(
      /is not the file that manifest.json describes: its SHA-256 differs/,
    );
  });

  test("files beyond the limits are not read", async () => {
    for (const [name, limit] of [
      ["manifest.json", 1 << 20],
      ["edge.wasm", 1 << 20],
      ["weights.bin", 16 << 20],
    ] as const) {
      const directory = await written();
      // Sparse: takes no space.
      await truncate(join(directory, name), limit + 1);
      expect((await refusal(directory)).message).toContain(`has ${limit + 1} bytes; at most ${limit} are accepted`);
    }
  });

  test("a device file instead of a part", async () => {
    const directory = await written();
    await rm(join(directory, "weights.bin"));
    await symlink("/dev/zero", join(directory, "weights.bin"));
    expect((await refusal(directory)).message).toMatch(/no regular file/);
  });

  test("no folder at all", async () => {
    expect((await refusal(join(root, "absent"))).message).toBe(
      `${join(root, "absent", "manifest.json")} does not exist.`,
    );
  });
});

describe("manifests that contradict themselves, though sealed", () => {
  const OUTPUT = { tensor: "logits", shape: [3], step: 0.125, zero: 0, labels: true };

  /** Writes a bundle with one member of the manifest changed (or removed), under a digest that is right. */
  async function sealed(path: string, value: unknown, content = bundle): Promise<string> {
    const manifest = structuredClone(content.manifest);
    const keys = path.split(".");
    const last = keys.pop()!;
    let parent: object = manifest;
    for (const key of keys) parent = Reflect.get(parent, key) as object;
    if (value === undefined) Reflect.deleteProperty(parent, last);
    else Reflect.set(parent, last, value);
    manifest.digest = modelDigest(manifest);
    const directory = await written(content);
    await writeFile(join(directory, "manifest.json"), manifestText(manifest));
    return directory;
  }

  test.each<[what: string, path: string, value: unknown, message: RegExp]>([
    ["another format", "format", "other", /not the manifest of a Hedge bundle/],
    ["another version", "version", 2, /format version 2, and this Hedge reads 1/],
    ["an unknown member", "extra", 1, /extra/],
    ["a missing member", "input", undefined, /input is not what the format says/],
    ["a text for a number", "module.input", "0", /module.input/],
    ["a negative address", "module.result", -4, /module.result/],
    ["a fraction", "module.steps", 1.5, /module.steps/],
    ["5 bits", "payload.bits", 5, /payload.bits/],
    ["one class", "classes", ["all"], /classes/],
    ["an input outside the memory", "module.input", 61, /module.input \(4 bytes at 61\) lies outside the memory of 64/],
    ["a threshold outside", "module.threshold", 61, /module.threshold/],
    ["a result outside", "module.result", 44, /module.result \(24 bytes at 44\)/],
    ["a payload outside", "module.payload", 61, /module.payload/],
    ["an input of another size", "input.shape", [3, 2, 2], /module.inputBytes is 4, but the input is 3x2x2/],
    ["a payload of another size", "payload.shape", [9, 2, 2], /payload.bytes is 4, but 9x2x2 at 1 bits take 8/],
    ["result and payload overlapping", "module.payload", 36, /overlap/],
    ["more than four pages", "module.memoryBytes", 262145, /module.memoryBytes is 262145/],
    ["no stack", "module.stackBytes", 0, /module.stackBytes is 0/],
    ["a cloud without a payload", "payload", undefined, /must be there together, or output alone/],
    ["a payload without its cloud", "cloud", undefined, /must be there together, or output alone/],
    ["a payload without an exit", "exit", undefined, /must be there together, or output alone/],
    ["an output beside an exit", "output", OUTPUT, /must be there together, or output alone/],
  ])("%s", async (_, path, value, message) => {
    expect((await refusal(await sealed(path, value))).message).toMatch(message);
  });

  test.each<[what: string, path: string, value: unknown, message: RegExp]>([
    ["no output", "output", undefined, /must be there together, or output alone/],
    ["a payload", "payload", { tensor: "c", shape: [1, 2, 2], bits: 1, bytes: 4, scale: 2, offset: 0 }, /together/],
    ["labels of another number", "classes", ["left", "right"], /classes are 2, but the output has 3 labels/],
    ["labels for what has none", "output.labels", false, /classes are 3, but the output has 0 labels/],
    ["an output of another size", "output.shape", [20], /classes are 3, but the output has 20 labels/],
    ["an output of no step", "output.step", 0, /output.step/],
  ])("an edge-only model with %s", async (_, path, value, message) => {
    const directory = await sealed(path, value, await tinyBundle({ edgeOnly: true }));
    expect((await refusal(directory)).message).toMatch(message);
  });

  test.each([
    ["[]", /not the manifest of a Hedge bundle/],
    ["null", /not the manifest of a Hedge bundle/],
    ["{", /is not JSON/],
    ["\ufeff{}", /is not JSON/],
  ])("a manifest that is %j", async (text, message) => {
    const directory = await written();
    await writeFile(join(directory, "manifest.json"), text);
    expect((await refusal(directory)).message).toMatch(message);
  });

  test("the same values in another text", async () => {
    const directory = await written();
    await writeFile(join(directory, "manifest.json"), JSON.stringify(bundle.manifest));
    expect((await refusal(directory)).message).toMatch(/was altered/);
  });
});

describe("modules without the interface", () => {
  test.each([
    ["bytes that are no module", Uint8Array.of(0, 97, 115, 109), /no valid WebAssembly module/],
    ["no step", assemble(`(module (memory (export "memory") 1))`), /does not export function "step"/],
    [
      "no memory",
      assemble(`(module (func (export "step") (param i32) (result i32) (i32.const 1)))`),
      /does not export memory "memory"/,
    ],
    [
      "an unknown import",
      assemble(`(module (import "env" "exit" (func)) (memory (export "memory") 1) (func (export "step")))`),
      /imports function "env.exit"/,
    ],
  ])("%s", async (_, edgeWasm, message) => {
    await expect(tinyBundle({ edgeWasm })).rejects.toThrow(message);
  });

  test("a draft that contradicts itself is not sealed", async () => {
    const draft: ManifestDraft = { ...tinyDraft(), classes: new Array(20).fill("x") };
    const parts = { edgeWasm: tinyWasm(), weights: new Uint8Array(3), cloudOnnx: new Uint8Array(1) };
    await expect(createBundle(draft, parts)).rejects.toThrow(/module.result/);
    await expect(createBundle(tinyDraft(), { ...parts, cloudOnnx: undefined })).rejects.toThrow(/together/);
    await expect(createBundle(tinyDraft(), { ...parts, weights: new Uint8Array((16 << 20) + 1) })).rejects.toThrow(
      /weights.bin/,
    );
  });
});
