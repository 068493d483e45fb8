/** Float models snapped: the QONNX that is written is what the module computes, integer for integer. */
import { describe, expect, it } from "vitest";
import { type FloatHybridOptions, floatHybrid, floatSamples } from "../../test/support/float-hybrid.ts";
import { compileModel } from "../bundle/compile.ts";
import { requireHybrid } from "../bundle/manifest.ts";
import { elementCount } from "../graph/graph.ts";
import { importModel } from "../import/import.ts";
import { encodeModel } from "../import/onnx/codec.ts";
import type { SnapOptions } from "../passes/snap.ts";
import { packPayload } from "../wire/payload.ts";
import { randomFrom } from "../zoo/random.ts";
import { zooModel } from "../zoo/zoo.ts";
import { CloudHalf } from "./cloud-half.ts";
import { snapModel } from "./snap.ts";
import { equalSamples } from "./snap-check.ts";
import { compareSnapped, outputsOf } from "./snap-compare.ts";

const FILE = "float.onnx";

function floatModel(network: string) {
  const model = zooModel(network, { flavour: "float" });
  const { input } = importModel(model, FILE);
  const random = randomFrom(5);
  const samples = Array.from({ length: 10 }, () =>
    Float32Array.from({ length: elementCount(input.dims) }, () => 2 * (random() + random() + random() - 1.5)),
  );
  return { model, samples };
}

describe("snapping", () => {
  it.each(["mlp", "mobilenet-v1-block", "mobilenet-v2-block"])(
    "%s: the module is the snapped file on every sample",
    async (network) => {
      const { model, samples } = floatModel(network);
      const snapped = await snapModel(model, FILE, samples, { bits: 8 });
      const { bundle, notes } = await compileModel(encodeModel(snapped.model), "snapped.onnx");
      expect(notes).toEqual([]);
      expect(await equalSamples(bundle, snapped, FILE, samples)).toBe(samples.length);
      const { agreeing, relativeError, correct } = await compareSnapped(model, snapped, FILE, samples);
      expect(agreeing).toBeGreaterThanOrEqual(9);
      expect(relativeError).toBeLessThan(0.05);
      expect(correct).toBeUndefined();
    },
  );

  it("says how often original and snapped model are right where labels are given", async () => {
    const { model, samples } = floatModel("mlp");
    const snapped = await snapModel(model, FILE, samples, { bits: 8 });
    const same = await compareSnapped(
      model,
      { ...snapped, model },
      FILE,
      samples,
      samples.map(() => 2),
    );
    expect(same).toMatchObject({ samples: 10, agreeing: 10, relativeError: 0 });
    expect(same.correct!.original).toBe(same.correct!.snapped);
    const other = await compareSnapped(
      model,
      snapped,
      FILE,
      samples,
      samples.map(() => 2),
    );
    expect(other.correct!.original).toBe(same.correct!.original);
  });

  it("is finer with more bits", async () => {
    const { model, samples } = floatModel("mlp");
    const errorOf = async (bits: number): Promise<number> => {
      const snapped = await snapModel(model, FILE, samples, { bits });
      return (await compareSnapped(model, snapped, FILE, samples)).relativeError;
    };
    const [coarse, fine] = [await errorOf(4), await errorOf(16)];
    expect(fine).toBeLessThan(coarse / 2);
  });

  it("refuses bits for a tensor that the model does not compute", async () => {
    const { model, samples } = floatModel("mlp");
    const options = { bits: 8, bitsOf: new Map([["nothing", 16]]) };
    await expect(snapModel(model, FILE, samples, options)).rejects.toThrow(/computes no tensor "nothing"/);
  });

  it.each<[string, FloatHybridOptions, Partial<SnapOptions>]>([
    ["8 bits", { opset: 17 }, {}],
    ["8 signed bits", { signed: true }, {}],
    ["4 signed bits", { signed: true }, { bitsOf: new Map([["edge.sum.add", 4]]) }],
    ["a sign", { signed: true }, { bitsOf: new Map([["edge.sum.add", 1]]) }],
    ["a pixel's channels in one word", { channels: 33 }, { bitsOf: new Map([["edge.sum.relu", 2]]) }],
  ])(
    "a hybrid model with a payload of %s: module and cloud part are the snapped file on every sample",
    async (_, kind, bits) => {
      const { model, cut, exit, output } = floatHybrid(kind);
      const samples = floatSamples(10);
      const options = { cut, exits: [{ logits: exit, rule: "entropy", threshold: 0 } as const] };
      const snapped = await snapModel(model, FILE, samples, { bits: 8, ...bits, ...options });
      const { bundle, notes } = await compileModel(encodeModel(snapped.model), "snapped.onnx");
      expect(notes).toEqual([]);
      expect(await equalSamples(bundle, snapped, FILE, samples)).toBe(samples.length);
      const [cuts, finals] = await outputsOf(snapped.model, FILE, snapped.input, samples, [cut, output]);
      const { payload } = requireHybrid(bundle.manifest);
      const levels = cuts!.map((row) => Array.from(row, (v) => v / payload.scale - payload.offset));
      const cloud = await CloudHalf.open(bundle);
      const logits = await cloud.run(levels.map((row) => packPayload(payload, row)));
      await cloud.close();
      for (const [i, row] of finals!.entries())
        for (const [k, value] of row.entries()) expect(logits[i * row.length + k]).toBeCloseTo(value, 4);
      const { exit: ofExit } = await compareSnapped(model, snapped, FILE, samples);
      expect(ofExit!.relativeError).toBeLessThan(0.05);
    },
  );

  it("keeps an image of a hybrid model with its channels last", async () => {
    const { model, cut, exit } = floatHybrid({ channelsLast: true });
    const samples = floatSamples(10);
    const exits = [{ logits: exit, rule: "entropy", threshold: 0 } as const];
    const snapped = await snapModel(model, FILE, samples, { bits: 8, cut, exits });
    const { bundle } = await compileModel(encodeModel(snapped.model), "snapped.onnx");
    expect(bundle.manifest.input).toMatchObject({ shape: [3, 9, 7], layout: "HWC" });
    expect(await equalSamples(bundle, snapped, FILE, samples)).toBe(samples.length);
  });

  it("counts the samples on which a module differs from a model", async () => {
    const { model, cut, exit } = floatHybrid();
    const samples = floatSamples(10);
    const options = { bits: 8, cut, exits: [{ logits: exit, rule: "entropy", threshold: 0 } as const] };
    const snapped = await snapModel(model, FILE, samples, options);
    const { bundle } = await compileModel(encodeModel(snapped.model), "snapped.onnx");
    const other = await snapModel(model, FILE, samples, { ...options, bitsOf: new Map([[cut, 4]]) });
    expect(await equalSamples(bundle, other, FILE, samples)).toBe(0);
  });

  it("refuses models that are quantised, and operator sets without QONNX", async () => {
    const quantised = zooModel("resnet8-4e", {});
    await expect(snapModel(quantised, "hybrid.onnx", [], { bits: 8 })).rejects.toThrow(
      /hybrid.onnx is quantised already/,
    );
    const old = floatHybrid({ opset: 11, metadata: true }).model;
    await expect(snapModel(old, "old.onnx", floatSamples(1), { bits: 8 })).rejects.toThrow(
      /old.onnx is of operator set 11/,
    );
  });
});
