import { describe, expect, it } from "vitest";
import { hybridModel, PAYLOAD_STEP, STREAM_STEP, smallShape } from "../../test/support/hybrid-model.ts";
import { randomImages } from "../../test/support/random.ts";
import { type Grid, isExact } from "../graph/grid.ts";
import { runGraph } from "../graph/run.ts";
import { importModel } from "../import/import.ts";
import { readMetadata } from "../import/metadata.ts";
import { encodeModel } from "../import/onnx/codec.ts";
import { withOutputs } from "../passes/onnx/dataflow.ts";
import { expandQuantizers } from "../passes/onnx/expand-quantizers.ts";
import { unpackPayload } from "../wire/payload.ts";
import { GridModel, packCut } from "./grid-model.ts";
import { OrtModel } from "./ort.ts";

const SIDE = 16;
const tiny = () => hybridModel(smallShape({ side: SIDE }));
/** Equal as numbers (-0 is 0); a matcher over a hundred thousand values would take a second. */
const sameValues = (a: Float32Array, b: Float32Array) => a.length === b.length && a.every((value, i) => value === b[i]);
const BITS = [1, 2, 4, 8] as const;

describe.each(BITS)("a model with a payload of %s bits", (bits) => {
  const model = hybridModel(smallShape({ bits, side: SIDE }), { seed: bits });
  const images = randomImages(12, [3, SIDE, SIDE], 7 * bits);
  const { edge, metadata } = importModel(model, "tiny.onnx");

  it("holds nothing but integers on its grids, whatever onnxruntime's optimiser does", async () => {
    const exact = (grid: Grid | undefined) => grid !== undefined && isExact(grid);
    const names = edge.nodes.filter(({ output }) => exact(edge.tensors.get(output)!.grid)).map(({ output }) => output);
    expect(names).toEqual(expect.arrayContaining(["stream.0", "stream.1", "stream.2", "exit_logits"]));
    // The 4-bit payload's step is 3/8: exact in float32, but no power of two.
    expect(names.includes("payload")).toBe(bits !== 4);
    const grid = withOutputs(expandQuantizers(model, "tiny.onnx"), names, "tiny.onnx");
    const data = Float32Array.from(images.flatMap((image) => Array.from(image, (level) => level / 64)));
    const image = { dims: [images.length, 3, SIDE, SIDE], data };
    const outputs = [];
    for (const optimization of ["all", "disabled"] as const) {
      const session = await OrtModel.open(encodeModel(grid), "tiny.onnx", { optimization });
      outputs.push(await session.run({ image }, names));
      await session.close();
    }
    // Without the other outputs the optimiser is free to fuse more.
    const ends = ["exit_logits", "payload"];
    const few = await OrtModel.open(encodeModel(withOutputs(grid, ends, "tiny.onnx")), "tiny.onnx");
    const fused = await few.run({ image }, ends);
    await few.close();
    for (const name of names) {
      const { step, min, max } = edge.tensors.get(name)!.grid!;
      const { data: values } = outputs[0]!.get(name)!;
      const levels = Array.from(values, (v) => v / step);
      expect(
        levels.every((level) => Number.isInteger(level) && level >= min && level <= max),
        name,
      ).toBe(true);
      expect(sameValues(values, outputs[1]!.get(name)!.data), name).toBe(true);
      if (ends.includes(name)) expect(sameValues(values, fused.get(name)!.data), name).toBe(true);
    }
  });

  it("gives what the reference kernels give, tensor for tensor", async () => {
    const grid = await GridModel.open(model, readMetadata(model, "tiny.onnx"), "tiny.onnx");
    const out = await grid.run(images);
    await grid.close();
    const features = out.cut.length / images.length;
    images.forEach((image, i) => {
      const values = runGraph(
        edge,
        Float64Array.from(image, (level) => level * metadata!.input.pixelStep),
      );
      const exitLogits = values.get("exit_logits")!;
      expect(Array.from(out.exitLogits.subarray(i * 4, i * 4 + 4))).toEqual(Array.from(exitLogits));
      const cut = values.get("payload")!;
      expect(out.cut.subarray(i * features, (i + 1) * features)).toEqual(Float32Array.from(cut));
    });
    // Not all the same: the comparison above means something.
    expect(new Set(out.exitLogits).size).toBeGreaterThan(20);
    expect(new Set(out.cut).size).toBeGreaterThan(bits === 1 ? 1 : 2);
  });

  it("has a payload that survives packing", async () => {
    const grid = await GridModel.open(model, readMetadata(model, "tiny.onnx"), "tiny.onnx");
    const { cut, cutShape } = await grid.run(images.slice(0, 1));
    await grid.close();
    const scale = { 1: 2, ...PAYLOAD_STEP, 8: STREAM_STEP }[bits];
    const offset = { 1: -0.5, 2: -2, 4: -8, 8: 0 }[bits];
    const layout = { shape: cutShape, bits, scale, offset };
    expect(unpackPayload(layout, packCut(cut, layout))).toEqual(cut);
    expect(() =>
      packCut(
        cut.map((v) => v + scale / 3),
        layout,
      ),
    ).toThrow(/no level of the bundle's payload/);
  });
});

describe("a grid model", () => {
  const model = tiny();
  const metadata = readMetadata(model, "tiny.onnx");
  it("refuses images of another size", async () => {
    const grid = await GridModel.open(model, metadata, "tiny.onnx");
    await expect(grid.run([new Int8Array(5)])).rejects.toThrow(/Image 0 has 5 values, the model takes 3 x 16 x 16/);
    await grid.close();
  });
  it("refuses a model with another number of classes than it names", async () => {
    const grid = await GridModel.open(model, { ...metadata, classes: ["yes", "no"] }, "tiny.onnx");
    await expect(grid.run(randomImages(1, [3, SIDE, SIDE], 1))).rejects.toThrow(
      /"exit_logits" has the shape \[1,4\], .* 2 classes/,
    );
    await grid.close();
  });
  it("refuses a model without a fixed image size", async () => {
    const free = tiny();
    free.graph.input[0]!.type!.tensorType!.shape!.dim[2] = { dimParam: "height" };
    await expect(GridModel.open(free, metadata, "free.onnx")).rejects.toThrow(
      /free\.onnx: the input "image" has no fixed shape/,
    );
  });
  it("that onnxruntime refuses is named", async () => {
    const odd = tiny();
    Object.assign(odd.graph.node.find((n) => n.opType === "Relu")!, { opType: "NoSuchOperator" });
    await expect(GridModel.open(odd, metadata, "odd.onnx")).rejects.toThrow(/onnxruntime refuses odd\.onnx/);
  });
});
