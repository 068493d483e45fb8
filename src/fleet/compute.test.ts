import { afterEach, describe, expect, test } from "vitest";
import { builtFile } from "../../test/support/built.ts";
import { assemble, tinyAnswer, tinyBundle } from "../../test/support/tiny-bundle.ts";
import { otherHybrid, tinyCloudLabel, tinyHybrid, unsureSample } from "../../test/support/tiny-cloud.ts";
import type { Bundle } from "../bundle/bundle.ts";
import { ENGINE_KINDS, type EngineKind } from "../engine/engine.ts";
import { HedgeError } from "../errors.ts";
import { type Compute, type ComputeOptions, openCompute } from "./compute.ts";

const script = builtFile("fleet/compute-thread.js");
const opened: Compute[] = [];
afterEach(async () => {
  for (const compute of opened.splice(0)) await compute.close();
});

const SAMPLES = Array.from({ length: 40 }, (_, i) => (i % 2 ? unsureSample(i) : Int8Array.of(i, -i, 3, i % 9)));

async function open(kind: EngineKind, bundles: readonly Bundle[], options: Partial<ComputeOptions> = {}) {
  const samples = bundles.map(() => SAMPLES);
  const compute = await openCompute({ kind, bundles, samples, devices: 7, threads: 2, script, ...options });
  opened.push(compute);
  return compute;
}

/** Tells as its entropy how often it was run on its image, and traps on a sample that begins with 99. */
const counting = () =>
  tinyBundle({
    edgeWasm: assemble(`(module (import "hedge" "load_weights" (func (param i32 i32 i32)))
      (memory (export "memory") 1 1)
      (func (export "step") (param i32) (result i32)
        (if (i32.eq (i32.load8_s (i32.const 0)) (i32.const 99)) (then (unreachable)))
        (i32.store (i32.const 60) (i32.add (i32.load (i32.const 60)) (i32.const 1)))
        (i32.store (i32.const 20) (i32.const 1))
        (i32.store (i32.const 24) (i32.load (i32.const 60)))
        (i32.const 1)))`),
  });

describe.each(ENGINE_KINDS)("on %s", (kind) => {
  test("devices of several bundles answer as their models do, at thresholds of their own", async () => {
    const bundles = [await tinyHybrid(), await otherHybrid()];
    const compute = await open(kind, bundles);
    const jobs = SAMPLES.flatMap((_, sample) =>
      Array.from({ length: 7 }, (_, device) => ({ device, bundle: device % 2, threshold: device / 4, sample })),
    );
    const outcomes = await Promise.all(jobs.map((job) => compute.run(job)));
    for (const [i, { sample, threshold }] of jobs.entries()) {
      const expected = tinyAnswer(SAMPLES[sample]!, threshold);
      expect(outcomes[i]).toEqual(expected);
      const { payload } = expected;
      if (payload) expect(await compute.finish(i % 2, payload)).toBe(tinyCloudLabel(SAMPLES[sample]!));
    }
    expect(compute.inferences).toBe(jobs.length);
  });

  test("each device has a memory image of its own, until it starts again", async () => {
    const compute = await open(kind, [await counting()], { devices: 5 });
    const run = async (device: number) => (await compute.run({ device, bundle: 0, threshold: 1, sample: 0 })).entropy;
    const runs = [0, 1, 2, 3, 4, 0, 1, 0].map(run);
    expect(await Promise.all(runs)).toEqual([1, 1, 1, 1, 1, 2, 2, 3]);
    expect(await compute.imageBytes()).toBe(5 * 64);
    compute.reset(0);
    expect(await Promise.all([0, 1].map(run))).toEqual([1, 3]);
  });

  test("images take memory when their device runs its first sample", async () => {
    const compute = await open(kind, [await counting()], { devices: 100_000 });
    // One in each thread's engine.
    expect(await compute.imageBytes()).toBe(2 * 64);
    for (const device of [99_999, 99_998, 5]) await compute.run({ device, bundle: 0, threshold: 1, sample: 0 });
    expect(await compute.imageBytes()).toBe(5 * 64);
  });

  test("once: what devices of one bundle and threshold share is run by the first of them", async () => {
    const bundles = [await counting(), await tinyHybrid()];
    const compute = await open(kind, bundles, { once: true });
    const job = { device: 0, bundle: 0, threshold: 1, sample: 0 };
    const variants = [{}, { device: 3 }, { device: 5, sample: 1 }, { threshold: 0.5 }, { bundle: 1 }, {}];
    const outcomes = await Promise.all(variants.map((variant) => compute.run({ ...job, ...variant })));
    expect(compute.inferences).toBe(4);
    expect(outcomes.map(({ entropy }) => entropy)).toEqual([1, 1, 1, 2, 0, 1]);
  });

  test("what a module does wrong names the device, the sample and the bundle; the others go on", async () => {
    const bundle = await counting();
    const samples = [[Int8Array.of(99, 0, 0, 0), Int8Array.of(1, 0, 0, 0)]];
    const compute = await open(kind, [bundle], { samples, once: true });
    const job = { device: 3, bundle: 0, threshold: 1, sample: 0 };
    const failing = expect(compute.run(job)).rejects;
    await failing.toThrow(
      `Device 3, sample 0, bundle ${bundle.digest.slice(0, 12)}: edge.wasm of tiny on ${kind}: step 0`,
    );
    await expect(compute.run(job)).rejects.toThrow(HedgeError);
    expect((await compute.run({ ...job, sample: 1 })).entropy).toBe(1);
    expect(compute.inferences).toBe(1);
  });

  test("a bundle that cannot be run is refused before anything runs", async () => {
    const started = tinyBundle({
      edgeWasm: assemble(`(module (memory (export "memory") 1) (func $s) (start $s)
        (func (export "step") (param i32) (result i32) (i32.const 1)))`),
    });
    await expect(open(kind, [await tinyHybrid(), await started])).rejects.toThrow("has a start function");
  });
});

test("both engines give the same outcomes, on any number of threads", async () => {
  const bundle = await tinyHybrid();
  const all = async (kind: EngineKind, threads: number) => {
    const compute = await open(kind, [bundle], { threads });
    return Promise.all(SAMPLES.map((_, i) => compute.run({ device: i % 7, bundle: 0, threshold: 0.1, sample: i })));
  };
  const outcomes = await all("wasm3", 1);
  expect(await all("v8", 3)).toEqual(outcomes);
  expect(await all("wasm3", 3)).toEqual(outcomes);
});

test("an edge-only model needs no threshold, and no cloud part finishes it", async () => {
  const compute = await open("wasm3", [await tinyBundle({ edgeOnly: true })]);
  const { label, logits } = tinyAnswer(SAMPLES[1]!);
  const outcome = await compute.run({ device: 0, bundle: 0, threshold: Number.POSITIVE_INFINITY, sample: 1 });
  expect(outcome).toEqual({ label, exited: true, entropy: 0, logits, payload: undefined });
  await expect(compute.finish(0, new Uint8Array(4))).rejects.toThrow("edge-only");
});

test("a cloud part that onnxruntime refuses is told to whoever needs it", async () => {
  const compute = await open("v8", [await tinyBundle()]);
  await expect(compute.finish(0, new Uint8Array(4))).rejects.toThrow("onnxruntime refuses the cloud part of tiny");
});

test("samples of another size are refused", async () => {
  const samples = [[SAMPLES[0]!, new Int8Array(5)]];
  await expect(open("v8", [await tinyHybrid()], { samples })).rejects.toThrow("Sample 1 has 5 bytes; tiny takes 4.");
});

test("what is under way when the compute is closed is rejected, and so is what comes after", async () => {
  const compute = await open("wasm3", [await tinyHybrid()]);
  const job = { device: 0, bundle: 0, threshold: 1, sample: 0 };
  const running = compute.run(job);
  const closing = compute.close();
  await expect(running).rejects.toThrow("closed");
  await closing;
  await expect(compute.run(job)).rejects.toThrow("closed");
  await expect(compute.imageBytes()).rejects.toThrow("closed");
});
