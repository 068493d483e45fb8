/**
 * QONNX's rounding modes as standard ONNX operators. The graph's ROUNDING has them as functions on numbers; both round in float32
 * operation by operation, so that a weight folded here and an activation rounded by a runtime agree to the bit.
 */
/** Makes nodes one after another; each returns the name of its output. */
export interface NodeChain {
  op(opType: string, ...inputs: string[]): string;
  scalar(value: number): string;
}

type Emit = (chain: NodeChain, x: string) => string;

/** sign(x) * round(|x|): rounding that treats both signs alike. */
const mirrored =
  (emit: Emit): Emit =>
  (chain, x) =>
    chain.op("Mul", chain.op("Sign", x), emit(chain, chain.op("Abs", x)));

const single =
  (opType: "Floor" | "Ceil" | "Round"): Emit =>
  (chain, x) =>
    chain.op(opType, x);

const towardsZero = mirrored(single("Floor"));

/** By the names of ROUNDING. */
export const ROUNDING_NODES: Readonly<Record<string, Emit>> = {
  ROUND: single("Round"),
  HALF_EVEN: single("Round"),
  FLOOR: single("Floor"),
  CEIL: single("Ceil"),
  UP: mirrored(single("Ceil")),
  DOWN: towardsZero,
  ROUND_TO_ZERO: towardsZero,
  HALF_UP: mirrored((chain, x) => chain.op("Floor", chain.op("Add", x, chain.scalar(0.5)))),
  HALF_DOWN: mirrored((chain, x) => chain.op("Ceil", chain.op("Sub", x, chain.scalar(0.5)))),
};
