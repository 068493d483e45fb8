/** Few levels by thresholds: the level is the number of a channel's thresholds that v reaches, found by halving. */
import { type Graph, numberOf, numbersOf, tensorOf } from "../graph/graph.ts";
import { integerOf, multipleOf } from "../graph/grid.ts";
import type { Chain } from "./chain.ts";
import { noKernel } from "./draft.ts";
import type { RecordLayout } from "./epilogue.ts";
import type { Bounds } from "./rounding.ts";

export interface Levels {
  readonly kind: "levels";
  /** 2^depth - 1 thresholds in ascending order, of `bytes` each, lie here in the record. */
  readonly thresholdsAt: number;
  readonly depth: number;
  readonly bytes: 2 | 4;
  /** Where a mask lies that complements v in channels whose level falls with v; absent where none does. */
  readonly maskAt?: number;
  /** What is stored: level * scale + plus. */
  readonly scale: number;
  readonly plus: number;
}

/** Thresholds are found in at most this many halvings. */
const MAX_DEPTH = 8;

/** @param bounds of v per channel, in the thresholds' steps */
export function planLevels(graph: Graph, chain: Chain, bounds: readonly Bounds[], layout: RecordLayout): Levels {
  const node = chain.quantiser!;
  const constant = tensorOf(graph, node.inputs[1]!);
  const steps = constant.shape[1]!;
  const depth = Math.ceil(Math.log2(steps + 1));
  if (depth > MAX_DEPTH)
    noKernel(`Node "${node.name}" (threshold) has ${steps + 1} levels, more than ${2 ** MAX_DEPTH}`);
  const inputStep = numberOf(node, "inputStep");
  if (multipleOf(chain.step, inputStep) === undefined)
    noKernel(
      `Node "${node.name}" (threshold) compares steps of ${chain.step} with thresholds in steps of ${inputStep}`,
    );
  const rising = numbersOf(node, "rising");
  const tables = bounds.map(({ min, max }, k) => {
    const low = rising[k] ? min : -max - 1n;
    const high = rising[k] ? max : -min - 1n;
    // What is beyond v's range is as good as one past it, which needs no more bits than v.
    return Array.from({ length: 2 ** depth - 1 }, (_, t) => {
      const threshold = t < steps ? BigInt(constant.values![k * steps + t]!) : high + 1n;
      return threshold > high ? high + 1n : threshold < low ? low : threshold;
    });
  });
  const short = tables.flat().every((t) => t >= -(2n ** 15n) && t < 2n ** 15n);
  const bytes = short ? 2 : 4;
  const maskAt = layout.numbers(
    bounds.map((_, k) => (rising[k] ? 0n : -1n)),
    0n,
    4,
  );
  const grid = chain.output.grid!;
  return {
    kind: "levels",
    thresholdsAt: layout.rows(tables, bytes),
    depth,
    bytes,
    ...(maskAt !== undefined && { maskAt }),
    scale: integerOf(numberOf(node, "scale"), grid),
    plus: integerOf(numberOf(node, "scale") * numberOf(node, "offset"), grid),
  };
}
