/** Plans the end of an edge-only model: its one output as the result row. */
import { elementCount } from "../graph/graph.ts";
import { behind, moveLoops } from "./copy.ts";
import { type Draft, noKernel } from "./draft.ts";
import { RESULT_BUFFER, RESULT_HEAD_BYTES } from "./exit.ts";
import type { Matcher } from "./matcher.ts";
import { NO_SCRATCH, type OutputSpec } from "./plan.ts";
import { rowMajorStrides } from "./view.ts";

/** What the result row shows of an output: a host applies softmax itself, and the label is the row's anyway. */
export function resultTensor(match: Matcher, output: string): { tensor: string; labels: boolean } {
  const node = match.producer(output);
  if (node?.op === "softmax" || node?.op === "argMax") return { tensor: node.inputs[0]!, labels: true };
  const { shape } = match.tensor(output);
  const elements = elementCount(shape);
  // As many elements as the input has are no classes of it: the model makes its input anew.
  const labels = elements > 1 && Math.max(...shape) === elements;
  return { tensor: output, labels: labels && elements !== elementCount(match.tensor(match.graph.input).shape) };
}

/** @param output the graph's output */
export function draftOutputs(match: Matcher, output: string): { draft: Draft; spec: OutputSpec } {
  const { tensor, labels } = resultTensor(match, output);
  const view = match.view(tensor);
  const { shape, grid, bytes, signed } = match.storage(tensor, match.producer(tensor));
  const row = { root: RESULT_BUFFER, offset: 0, dims: shape, strides: rowMajorStrides(shape) };
  const loops = moveLoops(view, row, bytes, 4);
  if (!loops) return noKernel(`The output "${tensor}" has its elements in an order that no loops describe`);
  const elements = elementCount(shape);
  const draft: Draft = {
    name: RESULT_BUFFER,
    buffers: [match.request(view.root), { name: RESULT_BUFFER, bytes: RESULT_HEAD_BYTES + 4 * elements }],
    weights: new Uint8Array(0),
    operations: elements * 7,
    why: "the host reads the output as 32-bit integers",
    finish: (region, slice) => ({
      kind: "outputs",
      name: output,
      outputShape: shape,
      output: region(RESULT_BUFFER),
      weights: slice,
      scratch: NO_SCRATCH,
      macs: 0,
      weightBits: 0,
      activationBits: 8 * bytes,
      input: behind(region(view.root), view.offset * bytes),
      element: { bytes, signed },
      loops,
      labels,
    }),
  };
  return { draft, spec: { tensor, shape, step: grid.step, zero: 0, labels } };
}
