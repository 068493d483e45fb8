/**
 * Layers read tensors that lie in memory: integers of at most 16 bits; outputs are integers, too. Where a tensor is none, a quantiser is
 * put behind it: one that changes nothing where 16 bits hold the tensor's own integers, else one that rounds to a step that reaches its
 * range, which is a small change of the model, and noted.
 */
import { type GraphBuilder, rewriteGraph } from "../graph/build.ts";
import { consumersOf, type Graph, type Node, tensorOf } from "../graph/graph.ts";
import { bitsOf, isPowerOfTwo } from "../graph/grid.ts";
import { alignmentOf, isProduct, isSum, type Steps } from "./alignment.ts";
import { freeName } from "./free-name.ts";
import { isQuantiser } from "./levels.ts";
import type { Notes } from "./notes.ts";
import { isPointwise, pointwiseOf } from "./pointwise.ts";
import {
  affineStep,
  doublings,
  isComputedInIntegers,
  isStorable,
  rounding,
  STORED_BITS,
  staticRange,
} from "./storage.ts";

/** Outputs are at most this wide; float32 holds their integers. */
const OUTPUT_BITS = 24;

export function storeOperands(graph: Graph, notes: Notes = []): Graph {
  // One at a time: what is rounded puts all that is computed from it on a grid.
  for (let current = graph; ; ) {
    const next = storeFirst(current, notes) ?? giveOutFirst(current, notes);
    if (!next) return current;
    current = next;
  }
}

function storeFirst(graph: Graph, notes: Notes): Graph | undefined {
  for (const node of graph.nodes) {
    const alignment = alignmentOf(graph, node);
    const steps = alignment.size > 0 ? alignment : storageOf(graph, node);
    if (steps.size > 0) return withRounded(graph, node, steps, notes);
  }
  return undefined;
}

/** Operands that cannot be stored as they are. */
function storageOf(graph: Graph, node: Node): Steps {
  const steps = new Map<string, number>();
  const elementwise = isPointwise(graph, node) && !isProduct(graph, node);
  if (elementwise || isQuantiser(node) || isSum(graph, node) || isExitPool(graph, node)) return steps;
  for (const name of node.inputs) {
    const range = tensorOf(graph, name).values || isStorable(graph, name) ? undefined : staticRange(graph, name);
    if (!range) continue;
    const own = integerStep(graph, name);
    const coarser = doublings(range, own ?? 1, STORED_BITS);
    // A tensor without integers of its own gets the finest step that reaches its range; one with them a coarser one where it must.
    steps.set(name, own === undefined ? 2 ** coarser : own * 2 ** Math.max(0, coarser));
  }
  return steps;
}

/** The step of which a tensor's values are whole multiples anyway. */
function integerStep(graph: Graph, name: string): number | undefined {
  return tensorOf(graph, name).grid?.step ?? affineStep(graph, name);
}

/** The pooling of relu(stream - shift) in front of an exit is one layer. */
function isExitPool(graph: Graph, node: Node): boolean {
  if (node.op !== "averagePool" || graph.outputs.length < 2) return false;
  const { nodes, source } = pointwiseOf(graph, node.inputs[0]!);
  const [reader] = consumersOf(graph, node.output);
  return (
    nodes.map(({ op }) => op).join() === "sub,relu" &&
    source.grid !== undefined &&
    isPowerOfTwo(source.grid.step) &&
    bitsOf(source.grid) <= 8 &&
    reader?.op === "quant"
  );
}

/** The graph in which a node reads rounded operands. */
function withRounded(graph: Graph, node: Node, steps: Steps, notes: Notes): Graph {
  const rounded = (builder: GraphBuilder, name: string, step: number): string => {
    const range = staticRange(graph, name)!;
    const integers = { step, min: Math.round(range.min / step), max: Math.round(range.max / step) };
    const exact = integerStep(graph, name) === step;
    const bits = exact ? bitsOf(integers) : STORED_BITS;
    const output = freeName(graph, builder, `${name}.stored`);
    if (!exact) note(notes, name, `"${name}" is rounded to ${bits}-bit integers of ${step}, to be stored.`);
    return builder.node("quant", [name], output, rounding(range, step, bits));
  };
  // Whatever else must store the same tensor reads the same integers.
  const made = new Map<string, string>();
  const others = (each: Node): boolean => each !== node && alignmentOf(graph, each).size === 0;
  return rewriteGraph(graph, (each, builder) => {
    const wanted = each === node ? steps : others(each) ? storageOf(graph, each) : new Map<string, number>();
    const inputs = each.inputs.map((input) => {
      const step = steps.get(input);
      if (step === undefined || wanted.get(input) !== step) return input;
      const known = made.get(input) ?? rounded(builder, input, step);
      made.set(input, known);
      return known;
    });
    builder.copy({ ...each, inputs }, graph);
  });
}

function note(notes: Notes, node: string, message: string): void {
  notes.push({ pass: "store-operands", node, message });
}

/** The graph in which the first output that is no integers of a layer's is rounded. */
function giveOutFirst(graph: Graph, notes: Notes): Graph | undefined {
  const output = graph.outputs.find((name) => !isGivenOut(graph, name) && staticRange(graph, name));
  if (output === undefined) return undefined;
  const { grid } = tensorOf(graph, output);
  const range = staticRange(graph, output)!;
  const fits = grid && bitsOf(grid) <= OUTPUT_BITS;
  const step = fits ? grid.step : 2 ** doublings(range, 1, OUTPUT_BITS);
  if (!fits) note(notes, output, `The output "${output}" is rounded to ${OUTPUT_BITS}-bit integers of ${step}.`);
  return rewriteGraph(graph, (node, builder) => {
    if (node.output !== output) {
      builder.copy(node, graph);
      return;
    }
    const computed = freeName(graph, builder, `${output}.computed`);
    builder.copy({ ...node, output: computed }, graph);
    builder.node("quant", [computed], output, rounding(range, step, OUTPUT_BITS));
  });
}

/** Whether an output is integers that a layer computes. */
function isGivenOut(graph: Graph, name: string): boolean {
  const { grid } = tensorOf(graph, name);
  return grid !== undefined && isComputedInIntegers(graph, name);
}
