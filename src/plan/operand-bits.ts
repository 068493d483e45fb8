/** How many bits the operands of a sum of products carry, however they are stored: what reports and energies go by. */
import { numberOf } from "../graph/graph.ts";
import { integerOf } from "../graph/grid.ts";
import { bitPlanes, commonStep } from "./bit-planes.ts";
import type { MatchedConv } from "./conv-match.ts";
import type { Matcher } from "./matcher.ts";
import type { LayerBase } from "./plan.ts";

/** +1 and -1 are one bit, and so are any two levels; what a map is padded with is not counted. */
export function operandBits(match: Matcher, conv: MatchedConv): Pick<LayerBase, "weightBits" | "activationBits"> {
  const { min, max } = match.storage(conv.chain.root.inputs[0]!, conv.chain.root).grid;
  const levels = levelStep(match, conv);
  const activations = bitPlanes({ min, max }, levels === undefined ? 1 : commonStep([min, min + levels]));
  const weights = bitPlanes(conv.weightRange, commonStep(conv.weights));
  return { weightBits: Math.max(1, weights.planes.length), activationBits: Math.max(1, activations.planes.length) };
}

/** How many integers apart the levels of an input of thresholds are; undefined of any other input. */
export function levelStep(match: Matcher, { input }: MatchedConv): number | undefined {
  const producer = match.producer(input.root);
  if (producer?.op !== "threshold") return undefined;
  return integerOf(numberOf(producer, "scale"), match.tensor(input.root).grid!);
}
