/** Every operator of the graph, by name. */
import type { Operator } from "../operator.ts";
import { add, div, mul, sub } from "./arithmetic.ts";
import { averagePool } from "./average-pool.ts";
import { batchNorm } from "./batch-norm.ts";
import { bipolarQuant } from "./bipolar-quant.ts";
import { argMax, softmax } from "./channels.ts";
import { concat } from "./concat.ts";
import { conv } from "./conv.ts";
import { gemm } from "./gemm.ts";
import { lut } from "./lut.ts";
import { maxPool } from "./max-pool.ts";
import { pad } from "./pad.ts";
import { quant } from "./quant.ts";
import { requant } from "./requant.ts";
import { flatten, reshape } from "./reshape.ts";
import { slice } from "./slice.ts";
import { threshold } from "./threshold.ts";
import { transpose } from "./transpose.ts";
import { trunc } from "./trunc.ts";
import { clip, hardSigmoid, identity, relu, sign } from "./unary.ts";

const all = [
  add,
  argMax,
  averagePool,
  batchNorm,
  bipolarQuant,
  clip,
  concat,
  conv,
  div,
  flatten,
  gemm,
  hardSigmoid,
  identity,
  lut,
  maxPool,
  mul,
  pad,
  quant,
  relu,
  requant,
  reshape,
  sign,
  slice,
  softmax,
  sub,
  threshold,
  transpose,
  trunc,
];

export const OPERATORS: ReadonlyMap<string, Operator> = new Map(all.map((operator) => [operator.op, operator]));

export function operatorOf(op: string): Operator {
  const operator = OPERATORS.get(op);
  if (!operator) throw new Error(`no operator "${op}" in the registry`);
  return operator;
}
