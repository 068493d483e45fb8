/** Functions of one value: relu, clip, hardSigmoid, sign, identity. */
import { type Node, numberOf, type Tensor } from "../graph.ts";
import { type Grid, integerOf, widened } from "../grid.ts";
import type { Operator } from "../operator.ts";

function unary(
  op: string,
  exactness: Operator["exactness"],
  functionOf: (node: Node) => (x: number) => number,
  grid: (node: Node, x: Tensor) => Grid | undefined,
): Operator {
  return {
    op,
    exactness,
    shape: (_node, [x]) => x!.shape,
    grid: (node, [x]) => grid(node, x!),
    run: (node, [x]) => x!.values.map(functionOf(node)),
  };
}

export const relu = unary(
  "relu",
  "exact on grids",
  () => (x) => Math.max(x, 0),
  (_node, { grid }) => grid && { step: grid.step, min: Math.max(0, grid.min), max: Math.max(0, grid.max) },
);

/** `min` and `max` may be infinite; a range that is empty gives `max`, as ONNX says of Clip. */
export const clip = unary(
  "clip",
  "exact on grids",
  (node) => {
    const [min, max] = [numberOf(node, "min"), numberOf(node, "max")];
    return (x) => Math.min(Math.max(x, min), max);
  },
  (node, { grid }) => grid && clippedGrid(grid, numberOf(node, "min"), numberOf(node, "max")),
);

/** None where a bound that is reached lies between two integers. */
function clippedGrid(grid: Grid, min: number, max: number): Grid | undefined {
  let { min: low, max: high } = grid;
  const { step } = grid;
  if (min > low * step) {
    if (!widened(grid, min)) return undefined;
    low = integerOf(min, grid);
    high = Math.max(low, high);
  }
  if (max < high * step) {
    if (!widened(grid, max)) return undefined;
    high = integerOf(max, grid);
    low = Math.min(low, high);
  }
  return { step, min: low, max: high };
}

/** max(0, min(1, alpha x + beta)) */
export const hardSigmoid = unary(
  "hardSigmoid",
  "float",
  (node) => {
    const [alpha, beta] = [numberOf(node, "alpha"), numberOf(node, "beta")];
    return (x) => Math.max(0, Math.min(1, alpha * x + beta));
  },
  () => undefined,
);

/** -1, 0 or 1. */
export const sign = unary(
  "sign",
  "exact on grids",
  () => Math.sign,
  (_node, { grid }) => ({
    step: 1,
    min: grid ? Math.sign(grid.min) : -1,
    max: grid ? Math.sign(grid.max) : 1,
  }),
);

/** Its input under another name. */
export const identity = unary(
  "identity",
  "exact on grids",
  () => (x) => x,
  (_node, { grid }) => grid,
);
