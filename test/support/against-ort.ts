/** A small model imported and run on the reference kernels, against onnxruntime. */
import { expect } from "vitest";
import { OrtModel } from "../../src/explore/ort.ts";
import { elementCount, type Graph } from "../../src/graph/graph.ts";
import { runGraph } from "../../src/graph/run.ts";
import { type ImportedModel, importModel } from "../../src/import/import.ts";
import { model, value } from "../../src/import/onnx/build.ts";
import { encodeModel } from "../../src/import/onnx/codec.ts";
import type { OnnxModel, OnnxNode, OnnxTensor } from "../../src/import/onnx/types.ts";
import { expandQuantizers } from "../../src/passes/onnx/expand-quantizers.ts";
import { randomFrom } from "../../src/zoo/random.ts";

export const FILE = "small.onnx";

export interface SmallModel {
  /** They read "x" and make "y". */
  readonly nodes: readonly OnnxNode[];
  /** Of "x", batch included. */
  readonly dims: readonly (number | string)[];
  readonly initializers?: readonly OnnxTensor[];
  readonly opset?: number;
}

export function smallModel({ nodes, dims, initializers = [], opset = 13 }: SmallModel): OnnxModel {
  const built = model({ nodes, initializers, inputs: [value("x", dims)], outputs: [value("y", [])] });
  // Its shape is what the nodes make of it.
  built.graph.output = [{ ...value("y", []), type: { tensorType: { elemType: 1 } } }];
  const sets = built.opsetImport.map((set) => (set.domain === "" ? { ...set, version: opset } : set));
  return { ...built, opsetImport: sets };
}

/** Eighths between -4 and 4, some of them equal. */
export function eighths(count: number, seed: number): Float32Array {
  const random = randomFrom(seed);
  return Float32Array.from({ length: count }, () => Math.round(random() * 64 - 32) / 8);
}

/** A sample in the file's order as the graph takes it. */
export function graphSample({ input }: ImportedModel, sample: ArrayLike<number>): Float64Array {
  const values = Float64Array.from(sample);
  if (input.layout !== "HWC") return values;
  const [, height, width, channels] = input.dims as [number, number, number, number];
  return values.map((_, i) => values[(i % (height * width)) * channels + Math.floor(i / (height * width))]!);
}

/** What onnxruntime makes of a sample. */
export async function runOrt(onnx: OnnxModel, sample: Float32Array, dims: readonly number[]) {
  const name = onnx.graph.input[0]!.name!;
  const output = onnx.graph.output[0]!.name!;
  const session = await OrtModel.open(encodeModel(expandQuantizers(onnx, FILE)), FILE);
  const result = (await session.run({ [name]: { dims, data: sample } }, [output])).get(output)!;
  await session.close();
  return result;
}

/** Holds the import of a model to onnxruntime, on one random sample; returns the graph. */
export async function expectAsOrt(small: SmallModel, seed = 1, tolerance = 1e-5): Promise<Graph> {
  const onnx = smallModel(small);
  const imported = importModel(onnx, FILE);
  const sample = eighths(elementCount(imported.input.dims), seed);
  const expected = await runOrt(onnx, sample, imported.input.dims);
  const actual = runGraph(imported.edge, graphSample(imported, sample)).get("y")!;
  expect(actual).toHaveLength(expected.data.length);
  const largest = expected.data.reduce((most, v) => Math.max(most, Math.abs(v)), 1);
  for (const [i, v] of expected.data.entries())
    expect(Math.abs(actual[i]! - v), `element ${i} of [${expected.dims}]: ${actual[i]}, not ${v}`).toBeLessThanOrEqual(
      tolerance * largest,
    );
  return imported.edge;
}
