/** Graph -> plan: recognises layers, packs their weights, places their buffers. Pure: the same graph gives the same plan. */
import { type Graph, producerOf } from "../graph/graph.ts";
import { payloadBytes } from "../wire/payload.ts";
import { draftBinaryConv } from "./binary-conv.ts";
import { bufferName, type Draft, INPUT_BUFFER, Matcher, MEMORY_LIMIT, noKernel } from "./draft.ts";
import { draftExit, entropyTables, RESULT_BUFFER } from "./exit.ts";
import { draftGridConv } from "./grid-conv.ts";
import { align, type Buffer, placeBuffers } from "./memory.ts";
import { draftPayload, payloadCode } from "./payload.ts";
import type { Layer, Plan, Region, WeightSlice } from "./plan.ts";

const THRESHOLD_BUFFER = bufferName("threshold");
/** Slices of weights.bin start at multiples of this, so that a device can map them. */
const SLICE_ALIGNMENT = 8;

/**
 * @param graph after all passes; outputs: the exit's logits, then the cut
 * @throws HedgeError naming the node for which there is no kernel
 */
export function planModel(graph: Graph): Plan {
  const [logits, cut] = graph.outputs as [string, string];
  const match = new Matcher(graph);
  const code = payloadCode(match, cut);
  const tables = entropyTables();
  const tableSlice: WeightSlice = { offset: 0, bytes: tables.length };
  const packed = match.maybe("threshold", cut);
  const drafts = [
    ...draftStreams(match, [logits, cut]),
    ...draftExit(match, logits, tableSlice, !packed),
    ...(packed ? [draftPayload(match, packed, code)] : []),
  ];
  const payloadBuffer = packed ? cut : (match.maybe("identity", cut)?.inputs[0] ?? cut);
  checkDataflow(match, drafts, payloadBuffer);
  const aliases = inPlaceAliases(drafts, payloadBuffer);
  const { addresses, sizes, bytes } = place(drafts, aliases, payloadBuffer);
  checkMemory(drafts, bytes);
  const region = (name: string): Region => {
    const root = aliases.get(name) ?? name;
    return { address: addresses.get(root)!, bytes: sizes.get(root)! };
  };
  const weights = joinWeights([tables, ...drafts.map((draft) => draft.weights)]);
  const layers = drafts.map((draft, i): Layer => draft.finish(region, weights.slices[i + 1]!));
  const shape = match.tensor(cut).shape;
  return {
    name: graph.name,
    layers,
    steps: groupSteps(layers),
    weights: weights.bytes,
    memoryBytes: align(bytes),
    input: region(INPUT_BUFFER),
    threshold: region(THRESHOLD_BUFFER).address,
    result: region(RESULT_BUFFER),
    payload: {
      address: region(payloadBuffer).address,
      bytes: payloadBytes({ shape, bits: code.bits }),
      shape,
      ...code,
    },
    logitStep: match.tensor(logits).grid!.step,
  };
}

/** The layers that make 8-bit streams, in the order in which they run. */
function draftStreams(match: Matcher, outputs: readonly string[]): Draft[] {
  const needed = new Set<string>();
  const waiting = [...outputs];
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    if (needed.has(name)) continue;
    needed.add(name);
    waiting.push(...(producerOf(match.graph, name)?.inputs ?? []));
  }
  const drafts: Draft[] = [];
  for (const node of match.graph.nodes) {
    if (node.op !== "quant" || !needed.has(node.output) || node.inputs[0] === match.graph.input) continue;
    const source = producerOf(match.graph, node.inputs[0]!)!;
    if (source.op === "conv") drafts.push(draftGridConv(match, node, source));
    else if (source.op === "add" || source.op === "mul") drafts.push(draftBinaryConv(match, node, source));
    else if (source.op !== "averagePool")
      noKernel(
        `Node "${node.name}" quantises the result of ${source.op} "${source.name}", for which there is no kernel`,
      );
  }
  return drafts;
}

/** Whatever a layer reads must have been made by one before it, and the image, which its first reader spreads out in place, is read once. */
function checkDataflow(match: Matcher, drafts: readonly Draft[], payloadBuffer: string): void {
  const made = new Set<string>();
  for (const { name, buffers } of drafts) {
    for (const buffer of buffers) {
      if (buffer.name === INPUT_BUFFER && made.has(INPUT_BUFFER))
        noKernel(`"${name}" is a second convolution of the image`, "Let one convolution read the image.");
      if (match.graph.tensors.has(buffer.name) && buffer.name !== name && !made.has(buffer.name))
        noKernel(`"${name}" reads "${buffer.name}", which no kernel makes`);
    }
    made.add(name);
    if (buffers.some((buffer) => buffer.name === INPUT_BUFFER)) made.add(INPUT_BUFFER);
  }
  if (!made.has(payloadBuffer)) noKernel(`No kernel makes the cut "${payloadBuffer}"`);
}

function checkMemory(drafts: readonly Draft[], bytes: number): void {
  if (bytes <= MEMORY_LIMIT) return;
  const need = ({ buffers }: Draft): number => buffers.reduce((sum, buffer) => sum + buffer.bytes, 0);
  const largest = drafts.reduce((a, b) => (need(b) > need(a) ? b : a));
  noKernel(
    `The edge part needs ${bytes} bytes of memory, and a module has ${MEMORY_LIMIT}; "${largest.name}" alone works on ${need(largest)}`,
    "Use smaller images or fewer channels, or cut the model earlier.",
  );
}

/** Outputs that take over the buffer of the stream that they replace. */
function inPlaceAliases(drafts: readonly Draft[], payloadBuffer: string): Map<string, string> {
  const aliases = new Map<string, string>();
  for (const [index, { name, replaces }] of drafts.entries()) {
    if (!replaces) continue;
    const { stream, must } = replaces;
    const later = drafts.slice(index + 1).find((other) => other.buffers.some((buffer) => buffer.name === stream));
    const reader = later?.name ?? (stream === payloadBuffer ? "the payload" : undefined);
    if (reader === undefined) aliases.set(name, aliases.get(stream) ?? stream);
    else if (must) noKernel(`"${stream}" is replaced in place by "${name}" but read later by "${reader}"`);
  }
  return aliases;
}

/** Lifetimes are counted in layers. What the host writes lives from the start, what it reads to the end. */
function place(drafts: readonly Draft[], aliases: ReadonlyMap<string, string>, payloadBuffer: string) {
  const buffers = new Map<string, Buffer>();
  const end = drafts.length;
  const touch = (name: string, bytes: number, from: number, to: number): void => {
    const root = aliases.get(name) ?? name;
    const known = buffers.get(root);
    buffers.set(root, {
      name: root,
      bytes: Math.max(bytes, known?.bytes ?? 0),
      firstStep: Math.min(from, known?.firstStep ?? from),
      lastStep: Math.max(to, known?.lastStep ?? to),
    });
  };
  drafts.forEach((draft, index) => {
    for (const buffer of draft.buffers) touch(buffer.name, buffer.bytes, index, index);
  });
  touch(THRESHOLD_BUFFER, 4, 0, end);
  touch(INPUT_BUFFER, 0, 0, 0);
  touch(RESULT_BUFFER, 0, end, end);
  touch(payloadBuffer, 0, end, end);
  const { addresses, bytes } = placeBuffers([...buffers.values()]);
  return { addresses, bytes, sizes: new Map([...buffers.values()].map((buffer) => [buffer.name, buffer.bytes])) };
}

/** One layer a step; the exit's pooling and its classifier are small and go together. */
function groupSteps(layers: readonly Layer[]): Layer[][] {
  const steps: Layer[][] = [];
  for (const layer of layers) {
    if (layer.kind === "dense-exit") steps.at(-1)!.push(layer);
    else steps.push([layer]);
  }
  return steps;
}

/** weights.bin, and where each part lies in it. */
function joinWeights(parts: readonly Uint8Array[]): { bytes: Uint8Array; slices: WeightSlice[] } {
  let end = 0;
  const slices = parts.map((part): WeightSlice => {
    const offset = end;
    end = align(offset + part.length, SLICE_ALIGNMENT);
    return { offset, bytes: part.length };
  });
  const bytes = new Uint8Array(end);
  parts.forEach((part, i) => {
    bytes.set(part, slices[i]!.offset);
  });
  return { bytes, slices };
}
