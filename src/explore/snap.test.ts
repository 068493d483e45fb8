/** Float models snapped: the QONNX that is written is what the module computes, integer for integer. */
import { describe, expect, it } from "vitest";
import { compileModel } from "../bundle/compile.ts";
import { elementCount } from "../graph/graph.ts";
import { importModel } from "../import/import.ts";
import { encodeModel } from "../import/onnx/codec.ts";
import { randomFrom } from "../zoo/random.ts";
import { zooModel } from "../zoo/zoo.ts";
import { compareSnapped, snapModel } from "./snap.ts";
import { equalSamples } from "./snap-check.ts";

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

  it("refuses hybrid models", async () => {
    const model = zooModel("resnet8-4e", {});
    await expect(snapModel(model, "hybrid.onnx", [], { bits: 8 })).rejects.toThrow(/hybrid.onnx is a hybrid model/);
  });
});
