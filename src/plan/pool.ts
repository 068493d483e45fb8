/** Plans pooling: the largest of each window, or the sum with an epilogue behind it. */
import { elementCount, type Node } from "../graph/graph.ts";
import { type Window, windowOf } from "../graph/operators/window.ts";
import { readChain } from "./chain.ts";
import { bufferName, type Draft, noKernel } from "./draft.ts";
import type { PoolWindow } from "./element-layers.ts";
import { planEpilogue, type RawSum } from "./epilogue.ts";
import type { Matcher, Storage } from "./matcher.ts";
import { align } from "./memory.ts";
import { NO_SCRATCH } from "./plan.ts";
import { joinRecords } from "./records.ts";

/** Bytes that a 16-bit lane can add up. */
const MAX_LANE_TAPS = 257;

export function draftMaxPool(match: Matcher, node: Node): Draft | undefined {
  if (node.op !== "maxPool") return undefined;
  const [name] = node.inputs as [string];
  const input = match.storage(name, node);
  const window = poolWindow(match, node, input);
  const { shape } = match.tensor(node.output);
  const taps = window.kernel[0] * window.kernel[1];
  return {
    name: node.output,
    buffers: [match.request(name), match.request(node.output)],
    weights: new Uint8Array(0),
    operations: elementCount(shape) * (taps + 1) * (input.bytes === 1 ? 2.5 : 8),
    why: input.bytes === 1 ? "eight bytes are compared at once" : "element by element",
    finish: (region, slice) => ({
      kind: "max-pool",
      name: node.output,
      outputShape: shape,
      output: region(node.output),
      weights: slice,
      scratch: NO_SCRATCH,
      macs: 0,
      weightBits: 0,
      activationBits: 8 * input.bytes,
      input: region(name),
      element: { bytes: input.bytes, signed: input.signed },
      window,
    }),
  };
}

/** The sum of each window of an average pooling, through the chain of nodes behind it. */
export function draftAveragePool(match: Matcher, node: Node): Draft | undefined {
  const chain = readChain(match.graph, node, ({ op }) => op === "averagePool");
  if (!chain) return undefined;
  const pool = chain.root;
  const [name] = pool.inputs as [string];
  const input = match.storage(name, pool);
  const window = poolWindow(match, pool, input);
  const output = match.storage(node.output, node);
  const taps = window.kernel[0] * window.kernel[1];
  const lanes = input.bytes === 1 && taps <= MAX_LANE_TAPS && !isPadded(window) ? 16 : 32;
  const channels = output.shape[0]!;
  const epilogue = planEpilogue(
    match.graph,
    chain,
    new Array<RawSum>(channels).fill(rawSum(match, pool, input, lanes)),
  );
  const records = joinRecords(epilogue);
  const [scratch, sums] = [bufferName("records", node.output), bufferName("sums", node.output)];
  const { shortcut } = chain;
  return {
    name: node.output,
    buffers: [
      match.request(name),
      match.request(node.output),
      ...(shortcut ? [match.request(shortcut.tensor.name)] : []),
      { name: sums, bytes: lanes === 16 ? 2 * align(channels) : 4 * channels },
      ...(records.data.length > 0 ? [{ name: scratch, bytes: records.data.length }] : []),
    ],
    weights: records.data,
    operations: elementCount(output.shape) * (taps * (lanes === 16 ? 2 : 8) + 16),
    why: lanes === 16 ? "eight bytes are added at once, in lanes of 16 bits" : "element by element",
    finish: (region, slice) => ({
      kind: "average-pool",
      name: node.output,
      outputShape: output.shape,
      output: region(node.output),
      weights: slice,
      scratch: records.data.length > 0 ? region(scratch) : NO_SCRATCH,
      macs: 0,
      weightBits: 0,
      activationBits: 8 * input.bytes,
      input: region(name),
      element: { bytes: input.bytes, signed: input.signed },
      window,
      sums: region(sums),
      lanes,
      epilogue: epilogue.finish(region),
      records: records.count,
    }),
  };
}

function poolWindow(match: Matcher, node: Node, { shape }: Storage): PoolWindow {
  const window = windowOf(node);
  if (isPadded(window) && window.dilations.some((n) => n > 1))
    noKernel(
      `Node "${node.name}" (${node.op}) pads windows with gaps between their elements`,
      "Put a Pad node in front of it, or pool without dilations.",
    );
  const [channels, height, width] = shape as [number, number, number];
  const [rows, columns] = match.tensor(node.output).shape.slice(1) as [number, number];
  return { ...window, inputShape: [channels, height, width], counts: [rows, columns] };
}

function isPadded({ pads }: Window): boolean {
  return pads.some((n) => n > 0);
}

/** In 16-bit lanes signed bytes are added with 128 on top of each. */
function rawSum(match: Matcher, pool: Node, { signed }: Storage, lanes: 16 | 32): RawSum {
  const { kernel } = windowOf(pool);
  const taps = kernel[0] * kernel[1];
  const bias = lanes === 16 && signed ? -128 * taps : 0;
  const grid =
    match.tensor(pool.output).grid ??
    noKernel(
      `Node "${pool.name}" (averagePool) divides by how many elements of a window lie inside, which leaves the integer grid`,
      "Count the padding (count_include_pad), or pool without it.",
    );
  return { min: grid.min - bias, max: grid.max - bias, factor: 1, bias };
}
