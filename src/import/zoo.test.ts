/** Models as real exporters write them, imported and run on the reference kernels, against onnxruntime. */
import { describe, expect, it } from "vitest";
import { OrtModel } from "../explore/ort.ts";
import { elementCount, type Graph } from "../graph/graph.ts";
import { runGraph } from "../graph/run.ts";
import { expandQuantizers } from "../passes/onnx/expand-quantizers.ts";
import { randomFrom } from "../zoo/random.ts";
import { FLAVOURS, type Flavour, NETWORKS, zooModel } from "../zoo/zoo.ts";
import { type ImportedModel, importModel } from "./import.ts";
import { encodeModel } from "./onnx/codec.ts";
import type { OnnxModel } from "./onnx/types.ts";

/** A sample on the input's grid, in the file's order, and as the graph takes it. */
function sampleOf({ edge, input }: ImportedModel, seed: number): { file: Float32Array; graph: Float64Array } {
  const random = randomFrom(seed);
  const { grid } = edge.tensors.get(edge.input)!;
  const step = grid?.step ?? 1 / 64;
  const values = Float64Array.from({ length: elementCount(input.dims) }, () => {
    const n = Math.round(((random() - 0.5) * 3.4) / step);
    return Math.min(Math.max(n, grid?.min ?? n), grid?.max ?? n) * step;
  });
  if (input.layout !== "HWC") return { file: Float32Array.from(values), graph: values };
  const [, height, width, channels] = input.dims as [number, number, number, number];
  const pixels = height * width;
  const graph = values.map((_, i) => values[(i % pixels) * channels + Math.floor(i / pixels)]!);
  return { file: Float32Array.from(values), graph };
}

/** The share of values that differ by more than the tolerance, relative to the largest. */
function differing(a: ArrayLike<number>, b: ArrayLike<number>, tolerance: number): number {
  const largest = Array.from(b).reduce((most, v) => Math.max(most, Math.abs(v)), 1e-6);
  return Array.from(a).filter((v, i) => Math.abs(v - b[i]!) > tolerance * largest).length / a.length;
}

async function compare(model: OnnxModel, seed: number): Promise<{ edge: Graph; share: number }> {
  const imported = importModel(model, "zoo.onnx");
  const sample = sampleOf(imported, seed);
  const session = await OrtModel.open(encodeModel(expandQuantizers(model, "zoo.onnx")), "zoo.onnx");
  const feed = { [imported.input.name]: { dims: imported.input.dims, data: sample.file } };
  const expected = (await session.run(feed, ["output"])).get("output")!.data;
  await session.close();
  const actual = runGraph(imported.edge, sample.graph).get("output")!;
  return { edge: imported.edge, share: differing(actual, expected, 0.05) };
}

describe.each(Object.keys(FLAVOURS) as Flavour[])("as %s", (flavour) => {
  it.each(Object.keys(NETWORKS))("%s", async (name) => {
    const { edge, share } = await compare(zooModel(name, { flavour }), 1);
    expect(edge.outputs).toEqual(["output"]);
    expect(share).toBe(0);
  });
});
