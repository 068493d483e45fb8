/** Quantisers as functions from values to levels. */
import { type Graph, type Node, perChannelOf, tensorOf } from "../graph/graph.ts";

const QUANTISERS: ReadonlySet<string> = new Set(["quant", "bipolarQuant", "trunc", "sign"]);

/** Level q stands for the value (q + offset) * scale. */
export interface Levels {
  readonly count: number;
  readonly scale: number;
  /** A whole number or, of an even number of levels around zero, a half. */
  readonly offset: number;
}

export function isQuantiser(node: Node): boolean {
  return QUANTISERS.has(node.op);
}

/** The levels of a quantiser's result; undefined where they differ between channels or are no multiples of one step. */
export function levelsOf(graph: Graph, quantiser: Node): Levels | undefined {
  const { grid } = tensorOf(graph, quantiser.output);
  if (!grid) return undefined;
  if (quantiser.op === "bipolarQuant") return { count: 2, scale: 2 * grid.step, offset: -0.5 };
  const zeros = quantiser.op === "quant" ? perChannelOf(quantiser, "zero") : [0];
  if (zeros.every(Number.isInteger)) return { count: grid.max - grid.min + 1, scale: grid.step, offset: grid.min };
  const mixed = zeros.some((zero) => Number.isInteger(zero - zeros[0]!) === false);
  return mixed ? undefined : { count: (grid.max - grid.min) / 2 + 1, scale: 2 * grid.step, offset: grid.min / 2 };
}
