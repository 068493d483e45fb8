/** Graph -> plan: chooses kernels, orders layers, places their buffers. Pure: the same graph gives the same plan. */
import type { Graph } from "../graph/graph.ts";
import { draftInput } from "./copy.ts";
import { bufferName, type Draft, INPUT_BUFFER, noKernel } from "./draft.ts";
import { draftEndings, type Ending } from "./endings.ts";
import { entropyTables, RESULT_BUFFER } from "./exit.ts";
import { KERNELS } from "./kernels.ts";
import { type InputLayout, Matcher } from "./matcher.ts";
import { align } from "./memory.ts";
import { type Item, orderItems } from "./order.ts";
import { findAliases, placeDrafts } from "./place.ts";
import type { Layer, NativeLayer, Plan, PlannedLayer, WeightSlice } from "./plan.ts";
import type { KernelProfile } from "./profile.ts";
import { type Refusal, readsOf, Selection } from "./select.ts";

const THRESHOLD_BUFFER = bufferName("threshold");
/** Slices of weights.bin start at multiples of this, so that a device can map them. */
const SLICE_ALIGNMENT = 8;
const PAGE_BYTES = 65536;
/** Pages that a module may have. */
const MAX_PAGES = 4;
/** Nodes of the largest graph that is planned: hundreds of layers, and far from what would take minutes. */
const MAX_NODES = 4096;

export interface PlanOptions {
  /** Bytes of linear memory that the module may use: one page where nothing else is said, four at most. */
  readonly memoryLimit?: number;
  /** The order in which the host writes an image. */
  readonly inputLayout?: InputLayout;
  /** "native": layers that the host has a kernel for are left to it. */
  readonly kernels?: KernelProfile | undefined;
}

/**
 * @param graph after all passes; outputs: the exit's logits, then the cut; or the one output of an edge-only model
 * @throws HedgeError naming every layer for which there is no kernel, or the layer that needs the most memory
 */
export function planModel(graph: Graph, options: PlanOptions = {}): Plan {
  const { memoryLimit = PAGE_BYTES, inputLayout = "CHW", kernels = "portable" } = options;
  checkSize(graph);
  const match = new Matcher(graph, inputLayout);
  const tables = entropyTables();
  const ending = draftEndings(match, { offset: 0, bytes: tables.length }, kernels);
  const chosen = select(match, ending, kernels).drafts();
  const items = chosen.map((draft) => itemOf(match, draft));
  const lasts = ending.drafts.map((draft) => itemOf(match, draft));
  const payload = ending.payload && match.bufferOf(ending.payload.buffer).root;
  // A payload that is a stored tensor itself is read by the host, after everything.
  const host: Item = { draft: ending.drafts[0]!, makes: "", reads: payload === undefined ? [] : [payload] };
  const drafts = orderItems(items, [...lasts, host]).flatMap((item) => (item === host ? [] : [item.draft]));

  const kept = { result: RESULT_BUFFER, threshold: THRESHOLD_BUFFER, input: INPUT_BUFFER, payload };
  const aliases = findAliases(match, drafts, kept);
  const { region, bytes, placed } = placeDrafts(match, drafts, aliases, kept);
  checkMemory(drafts, bytes, Math.min(memoryLimit, MAX_PAGES * PAGE_BYTES));
  const needsTables = ending.payload !== undefined;
  const weights = joinWeights([...(needsTables ? [tables] : []), ...drafts.map((draft) => draft.weights)]);
  const slices = weights.slices.slice(needsTables ? 1 : 0);
  const layers = drafts.map((draft, i): PlannedLayer => ({ ...draft.finish(region, slices[i]!), why: draft.why }));
  for (const layer of layers) if (layer.kind === "native") writeDescriptor(weights.bytes, layer);
  return {
    name: graph.name,
    layers,
    steps: groupSteps(layers),
    weights: weights.bytes,
    memoryBytes: align(bytes),
    buffers: placed,
    input: region(INPUT_BUFFER),
    threshold: region(THRESHOLD_BUFFER).address,
    result: region(RESULT_BUFFER),
    ...(ending.payload && { payload: { ...region(ending.payload.buffer), ...ending.payload.code } }),
    ...(ending.logitStep !== undefined && { logitStep: ending.logitStep }),
    ...(ending.output && { output: ending.output }),
  };
}

/** All layers for which there is no kernel on the way to these tensors, which have to be made. */
export function findRefusals(
  graph: Graph,
  wanted: readonly string[],
  { inputLayout = "CHW" }: PlanOptions = {},
): Refusal[] {
  const match = new Matcher(graph, inputLayout);
  return new Selection(match, KERNELS.portable, wanted, () => draftInput(match)).refusals();
}

function select(match: Matcher, { drafts, payload }: Ending, kernels: KernelProfile): Selection {
  const wanted = drafts.flatMap((draft) => readsOf(match, draft));
  if (payload && match.graph.tensors.has(payload.buffer) && !drafts.some(({ name }) => name === payload.buffer))
    wanted.push(payload.buffer);
  return new Selection(match, KERNELS[kernels], wanted, () => draftInput(match));
}

function itemOf(match: Matcher, draft: Draft): Item {
  const { replaces } = draft;
  const overwrites = replaces?.must ? match.bufferOf(replaces.stream).root : undefined;
  const readsInput = draft.buffers.some(({ name }) => match.bufferOf(name).root === INPUT_BUFFER);
  const reads = [...readsOf(match, draft), ...(readsInput ? [INPUT_BUFFER] : [])];
  return { draft, makes: draft.name, reads, overwrites };
}

function checkSize({ nodes }: Graph): void {
  if (nodes.length > MAX_NODES)
    noKernel(
      `The part for the device has ${nodes.length} nodes, and ${MAX_NODES} are the most that are planned`,
      "Cut the model earlier, or export it with fewer operators.",
    );
}

function checkMemory(drafts: readonly Draft[], bytes: number, limit: number): void {
  if (bytes <= limit) return;
  const need = ({ buffers }: Draft): number => buffers.reduce((sum, buffer) => sum + buffer.bytes, 0);
  const largest = drafts.reduce((a, b) => (need(b) > need(a) ? b : a));
  noKernel(
    `The edge part needs ${bytes} bytes of memory, and a module has ${limit}; "${largest.name}" alone works on ${need(largest)}`,
    "Use smaller images or fewer channels, or cut the model earlier.",
    "H405",
  );
}

/** One layer a step; what only makes an answer of the layer before goes along with it. */
function groupSteps(layers: readonly PlannedLayer[]): PlannedLayer[][] {
  const steps: PlannedLayer[][] = [];
  for (const layer of layers) {
    if (steps.length > 0 && ENDS.has(layer.kind)) steps.at(-1)!.push(layer);
    else steps.push([layer]);
  }
  return steps;
}

const ENDS: ReadonlySet<Layer["kind"]> = new Set(["dense-exit", "exit-decision", "outputs"]);

/** The descriptor's place is at the beginning of the layer's constants. */
function writeDescriptor(weights: Uint8Array, { descriptor, weights: { offset } }: NativeLayer): void {
  const view = new DataView(weights.buffer);
  for (const [i, word] of descriptor.entries()) view.setInt32(offset + 4 * i, word, true);
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
