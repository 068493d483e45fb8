/** Which tensors a device can keep in memory as they are, and quantisers for those that it cannot. */
import { type Attributes, type Graph, producerOf, tensorOf } from "../graph/graph.ts";
import { bitsOf, type Grid } from "../graph/grid.ts";
import { integersOf, MAX_TABLE } from "../graph/operators/lut.ts";
import { quantRange } from "../graph/operators/quant.ts";
import { evaluatePointwise, pointwiseOf } from "./pointwise.ts";

/** Integers that lie between layers. */
export const STORED_BITS = 16;

const AFFINE: ReadonlySet<string> = new Set(["identity", "mul", "add", "sub"]);

/** Whether the layer that makes a tensor can store it: few bits, and nothing but steps on the grid behind the layer's root. */
export function isStorable(graph: Graph, name: string): boolean {
  const { grid } = tensorOf(graph, name);
  return grid !== undefined && bitsOf(grid) <= STORED_BITS && isComputedInIntegers(graph, name);
}

/** Whether a tensor is an affine map of a layer's sum with constants on the grid, or no map at all. */
export function isComputedInIntegers(graph: Graph, name: string): boolean {
  const { nodes, source } = pointwiseOf(graph, name);
  if (!source.grid) return false;
  return nodes.every(
    (node) => AFFINE.has(node.op) && [...node.inputs, node.output].every((each) => tensorOf(graph, each).grid),
  );
}

/** Whether a function of a grid's integers may be a table: it is looked up by a stored byte. */
export function tabulates(grid: Grid): boolean {
  return integersOf(grid) <= MAX_TABLE && bitsOf(grid) <= 8;
}

export interface Range {
  readonly min: number;
  readonly max: number;
}

/** The smallest and largest value that can occur, by the grids alone; undefined where these do not say. */
export function staticRange(graph: Graph, name: string): Range | undefined {
  const tensor = tensorOf(graph, name);
  if (tensor.grid) return rangeOfGrid(tensor.grid);
  const chain = pointwiseOf(graph, name);
  const { grid, shape } = chain.source;
  if (!grid || (!chain.monotone && integersOf(grid) > MAX_TABLE)) return undefined;
  const channels = chain.uniform ? 1 : shape[0]!;
  const looked = chain.monotone
    ? [grid.min, grid.max]
    : Array.from({ length: integersOf(grid) }, (_, i) => grid.min + i);
  const x = Float64Array.from({ length: channels * looked.length }, (_, i) => looked[i % looked.length]! * grid.step);
  return extremes(evaluatePointwise(graph, chain, x, channels));
}

function rangeOfGrid({ step, min, max }: Grid): Range {
  return { min: min * step, max: max * step };
}

export function extremes(values: Float64Array): Range {
  return values.reduce(({ min, max }, v) => ({ min: Math.min(min, v), max: Math.max(max, v) }), {
    min: values[0]!,
    max: values[0]!,
  });
}

export function rangeOfSamples(samples: readonly Float32Array[]): Range {
  const each = samples.map((sample) => extremes(Float64Array.from(sample)));
  return extremes(Float64Array.from(each.flatMap(({ min, max }) => [min, max])));
}

/** Denominators of offsets: levels around zero lie at halves of a step, and a few more. */
const MAX_DENOMINATOR = 8;
/** What float32 constants leave of an exact ratio. */
const RATIO_TOLERANCE = 1e-5;

/**
 * The step of the grid on which an affine map puts integers: value = a n + b lies on a / q where b is a multiple of it. What a quantiser
 * written out in arithmetic makes, (n / Z - v2) v1, has no other grid. Undefined for any other function.
 */
export function affineStep(graph: Graph, name: string): number | undefined {
  const chain = pointwiseOf(graph, name);
  const { grid } = chain.source;
  if (!grid || !chain.uniform || !chain.monotone || grid.max <= grid.min) return undefined;
  const at = [grid.min, grid.min + 1, grid.max];
  const [first, second, last] = evaluatePointwise(
    graph,
    chain,
    Float64Array.from(at, (n) => n * grid.step),
    1,
  );
  const slope = second! - first!;
  const straight = Math.abs(last! - first! - slope * (grid.max - grid.min)) <= RATIO_TOLERANCE * Math.abs(slope);
  if (slope === 0 || !straight) return undefined;
  for (let q = 1; q <= MAX_DENOMINATOR; q++) {
    const integer = (first! * q) / slope;
    if (Math.abs(integer - Math.round(integer)) <= RATIO_TOLERANCE * Math.max(1, Math.abs(integer)))
      return Math.abs(slope) / q;
  }
  return undefined;
}

/** How many times a step must be doubled, or (negative) may be halved, so that integers of `bits` bits reach a range. */
export function doublings(range: Range, step: number, bits: number): number {
  const signed = range.min < 0;
  const { low, high } = quantRange(bits, signed, false);
  const needed = Math.max(range.max / (high * step), low < 0 ? range.min / (low * step) : 0);
  return needed > 0 ? Math.ceil(Math.log2(needed)) : 0;
}

/** The finest power of two in which `bits` bits reach a range; signed ones on both sides of zero. */
export function reachingStep({ min, max }: Range, bits: number, signed: boolean): number {
  const largest = Math.max(max, -min);
  return 2 ** doublings(signed ? { min: -largest, max: largest } : { min, max }, 1, bits);
}

/** The coarsest grid's quantiser: rounds to the nearest integer of a step. */
export function rounding(range: Range, step: number, bits: number): Attributes {
  const signed = range.min < 0 ? 1 : 0;
  return { bits, signed, narrow: 0, rounding: "ROUND", scale: step, zero: 0 };
}

/** The weights that a tensor's layer multiplies by: what its computation costs, roughly. */
export function weightCount(graph: Graph, name: string): number {
  const root = producerOf(graph, pointwiseOf(graph, name).source.name);
  const weight = root?.inputs[1];
  return weight === undefined ? 0 : (tensorOf(graph, weight).values?.length ?? 0);
}
