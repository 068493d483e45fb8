/**
 * QONNX's rounding modes, twice: as standard ONNX operators and as a function on numbers. Both round in float32 operation by
 * operation, so that a weight folded here and an activation rounded by a runtime agree to the bit.
 */
import type { OnnxNode } from "../../import/onnx/types.ts";

/** Makes nodes one after another; each returns the name of its output. */
export interface NodeChain {
  op(opType: string, ...inputs: string[]): string;
  scalar(value: number): string;
}

interface Rounding {
  readonly emit: (chain: NodeChain, x: string) => string;
  readonly apply: (x: number) => number;
}

function halfEven(x: number): number {
  const down = Math.floor(x);
  const rest = x - down;
  return rest < 0.5 || (rest === 0.5 && down % 2 === 0) ? down : down + 1;
}

/** sign(x) * round(|x|): rounding that treats both signs alike. */
function mirrored(emit: Rounding["emit"], apply: Rounding["apply"]): Rounding {
  return {
    emit: (chain, x) => chain.op("Mul", chain.op("Sign", x), emit(chain, chain.op("Abs", x))),
    apply: (x) => Math.sign(x) * apply(Math.abs(x)),
  };
}

const single = (opType: OnnxNode["opType"] & string, apply: (x: number) => number): Rounding => ({
  emit: (chain, x) => chain.op(opType, x),
  apply,
});
const floor = single("Floor", Math.floor);
const ceil = single("Ceil", Math.ceil);
const even = single("Round", halfEven);
const towardsZero = mirrored(floor.emit, floor.apply);

export const ROUNDINGS: ReadonlyMap<string, Rounding> = new Map([
  ["ROUND", even],
  ["HALF_EVEN", even],
  ["FLOOR", floor],
  ["CEIL", ceil],
  ["UP", mirrored(ceil.emit, ceil.apply)],
  ["DOWN", towardsZero],
  ["ROUND_TO_ZERO", towardsZero],
  [
    "HALF_UP",
    mirrored(
      (chain, x) => chain.op("Floor", chain.op("Add", x, chain.scalar(0.5))),
      (x) => Math.floor(Math.fround(x + 0.5)),
    ),
  ],
  [
    "HALF_DOWN",
    mirrored(
      (chain, x) => chain.op("Ceil", chain.op("Sub", x, chain.scalar(0.5))),
      (x) => Math.ceil(Math.fround(x - 0.5)),
    ),
  ],
]);
