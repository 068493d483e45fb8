/** Runs samples through a float graph on onnxruntime, and looks at what its tensors hold. */
import type { Graph } from "../graph/graph.ts";
import { encodeModel } from "../import/onnx/codec.ts";
import type { SampleLayout } from "../passes/onnx/graph-writer.ts";
import { writeGraph } from "../passes/onnx/write-graph.ts";
import type { Range } from "../passes/storage.ts";
import { type FloatTensor, OrtModel } from "./ort.ts";

/** Samples per run. */
const BATCH = 16;

/** Samples of one batch as onnxruntime takes them. */
function batchOf(samples: readonly Float32Array[], dims: readonly number[]): FloatTensor {
  const size = samples[0]!.length;
  const data = new Float32Array(samples.length * size);
  for (const [i, sample] of samples.entries()) data.set(sample, i * size);
  return { dims: [samples.length, ...dims], data };
}

/**
 * The smallest and the largest value of the input and of every tensor that is computed, over all samples.
 * @param samples in the file's order
 * @param file names the model in errors
 * @throws HedgeError (input) when onnxruntime refuses the model
 */
export async function measureRanges(
  graph: Graph,
  samples: readonly Float32Array[],
  sample: SampleLayout,
  file: string,
): Promise<Map<string, Range>> {
  const names = graph.nodes.map(({ output }) => output);
  const session = await OrtModel.open(encodeModel(writeGraph(graph, { outputs: names, sample })), file);
  const ranges = new Map<string, Range>();
  try {
    for (let start = 0; start < samples.length; start += BATCH) {
      const input = batchOf(samples.slice(start, start + BATCH), sample.dims);
      widen(ranges, graph.input, input.data);
      const results = await session.run({ [graph.input]: input }, names);
      for (const name of names) widen(ranges, name, results.get(name)!.data);
    }
  } finally {
    await session.close();
  }
  return ranges;
}

function widen(ranges: Map<string, Range>, name: string, values: Float32Array): void {
  let { min, max } = ranges.get(name) ?? { min: values[0]!, max: values[0]! };
  for (const value of values) {
    if (value < min) min = value;
    if (value > max) max = value;
  }
  ranges.set(name, { min, max });
}
