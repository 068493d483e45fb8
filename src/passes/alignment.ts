/**
 * Sums and concatenations need their operands in multiples of one step. Where an operand is off the grid, or on another one, it is to be
 * rounded to 16-bit integers of a step that fits the others': a small change of the model.
 */
import { type Graph, type Node, tensorOf } from "../graph/graph.ts";
import { aligned, type Grid } from "../graph/grid.ts";
import { pointwiseOf } from "./pointwise.ts";
import {
  doublings,
  isComputedInIntegers,
  isStorable,
  type Range,
  STORED_BITS,
  staticRange,
  tabulates,
  weightCount,
} from "./storage.ts";

/** Operands by name, and the steps to which they are to be rounded. */
export type Steps = ReadonlyMap<string, number>;
const NONE: Steps = new Map();

/** What a sum or a concatenation needs before it can be computed; nothing for any other node. */
export function alignmentOf(graph: Graph, node: Node): Steps {
  const operands = node.inputs.filter((input) => !tensorOf(graph, input).values);
  if (node.op === "concat") return concatSteps(graph, operands);
  return isSum(graph, node) && !isTable(graph, node) ? sumSteps(graph, operands) : NONE;
}

export function isSum(graph: Graph, node: Node): boolean {
  return (node.op === "add" || node.op === "sub") && node.inputs.every((input) => !tensorOf(graph, input).values);
}

/** A product of two tensors, which a layer computes of two stored ones. */
export function isProduct(graph: Graph, node: Node): boolean {
  return node.op === "mul" && node.inputs.every((input) => !tensorOf(graph, input).values) && !isTable(graph, node);
}

/** What joins functions of one tensor of few integers becomes a table. */
function isTable(graph: Graph, node: Node): boolean {
  const { source } = pointwiseOf(graph, node.output);
  return source.name !== node.output && source.grid !== undefined && tabulates(source.grid);
}

/** One of the two is what the layer computes, the other must have been stored. */
function sumSteps(graph: Graph, operands: readonly string[]): Steps {
  const [a, b] = operands as [string, string];
  const gridOf = (name: string): Grid | undefined => tensorOf(graph, name).grid;
  const fixed = [a, b].filter((name) => gridOf(name) !== undefined && isComputedInIntegers(graph, name));
  if (fixed.length === 2) {
    const storable = [a, b].filter((name) => isStorable(graph, name));
    const alike = aligned([gridOf(a)!, gridOf(b)!]) !== undefined;
    if (alike && storable.length > 0) return NONE;
    const moved = smaller(graph, alike || storable.length !== 1 ? [a, b] : storable);
    return stepFor(graph, moved, gridOf(moved === a ? b : a)!.step);
  }
  if (fixed.length === 1) {
    const [kept] = fixed as [string];
    return stepFor(graph, kept === a ? b : a, gridOf(kept)!.step);
  }
  const ranges = [a, b].map((name) => staticRange(graph, name));
  if (ranges.includes(undefined)) return NONE;
  const step = 2 ** Math.max(...ranges.map((range) => doublings(range!, 1, STORED_BITS)));
  return new Map([
    [a, step],
    [b, step],
  ]);
}

/** The operand that is cheaper to store: of a smaller layer or, where neither is a layer's own, of the smaller range. */
function smaller(graph: Graph, names: readonly string[]): string {
  const reach = (name: string) => {
    const { min, max } = staticRange(graph, name)!;
    return Math.max(max, -min);
  };
  return names.reduce((best, name) => {
    const difference = weightCount(graph, name) - weightCount(graph, best) || reach(name) - reach(best);
    return difference < 0 ? name : best;
  });
}

/** The finest step in which 16 bits hold the operand, by powers of two from another operand's. */
function stepFor(graph: Graph, name: string, step: number): Steps {
  const range = staticRange(graph, name);
  return range ? new Map([[name, step * 2 ** doublings(range, step, STORED_BITS)]]) : NONE;
}

/** All operands on one grid, a power of two from the finest of theirs. */
function concatSteps(graph: Graph, operands: readonly string[]): Steps {
  const grids = operands.map((name) => tensorOf(graph, name).grid);
  if (grids.every((grid) => grid && grid.step === grids[0]?.step)) return NONE;
  const ranges = operands.map((name) => staticRange(graph, name));
  if (ranges.includes(undefined)) return NONE;
  const all: Range = {
    min: Math.min(...ranges.map((range) => range!.min)),
    max: Math.max(...ranges.map((range) => range!.max)),
  };
  const own = Math.min(...grids.map((grid) => grid?.step ?? 1));
  const step = own * 2 ** doublings(all, own, STORED_BITS);
  return new Map(operands.map((name) => [name, step]));
}
