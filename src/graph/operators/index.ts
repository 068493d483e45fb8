/** Every operator of the graph, by name. */
import type { Operator } from "../operator.ts";
import { add, mul, relu, sub } from "./arithmetic.ts";
import { averagePool } from "./average-pool.ts";
import { batchNorm } from "./batch-norm.ts";
import { bipolarQuant } from "./bipolar-quant.ts";
import { conv } from "./conv.ts";
import { flatten } from "./flatten.ts";
import { gemm } from "./gemm.ts";
import { identity } from "./identity.ts";
import { lut } from "./lut.ts";
import { pad } from "./pad.ts";
import { quant } from "./quant.ts";
import { requant } from "./requant.ts";
import { threshold } from "./threshold.ts";

const all = [
  add,
  averagePool,
  batchNorm,
  bipolarQuant,
  conv,
  flatten,
  gemm,
  identity,
  lut,
  mul,
  pad,
  quant,
  relu,
  requant,
  sub,
  threshold,
];

export const OPERATORS: ReadonlyMap<string, Operator> = new Map(all.map((operator) => [operator.op, operator]));

export function operatorOf(op: string): Operator {
  const operator = OPERATORS.get(op);
  if (!operator) throw new Error(`no operator "${op}" in the registry`);
  return operator;
}
