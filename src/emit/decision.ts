/** The exit rule: entropy of the logits in the result row by integer tables, and whether the answer is final. */
import { EXP_FRACTION, EXP_RANGE, EXP_WHOLE, LN_2 } from "../graph/entropy.ts";
import type { ExitDecisionLayer } from "../plan/element-layers.ts";
import { RESULT_HEAD_BYTES } from "../plan/exit.ts";
import type { DenseExitLayer } from "../plan/plan.ts";
import type { Code, Expression } from "./code.ts";
import { walk } from "./copy.ts";
import { loadElement } from "./element.ts";
import type { EmitContext, LoadWeights } from "./emitter.ts";

type Decision = DenseExitLayer | ExitDecisionLayer;

/** Copies the logits into the result row, and decides. */
export function emitExitDecision(
  code: Code,
  layer: ExitDecisionLayer,
  { threshold, loadWeights }: EmitContext,
): Expression {
  const { input, output, element, loops } = layer;
  const from = code.pointer();
  const to = code.pointer();
  const copy = (f: number, t: number): Expression[] => [
    code.module.i32.store(t, 4, to.get, loadElement(code, element, f, from.get)),
  ];
  return code.module.block(
    null,
    [
      from.set(code.i32(input.address)),
      to.set(code.i32(output.address + RESULT_HEAD_BYTES)),
      ...walk(code, from, to, loops, copy),
      ...decide(code, layer, threshold, loadWeights),
    ],
    code.types.i32,
  );
}

/** Follows `integerEntropy` of src/graph/entropy.ts step by step. */
export function decide(code: Code, layer: Decision, threshold: number, loadWeights: LoadWeights): Expression[] {
  const { i32, i64 } = code.module;
  const classes = layer.outputShape[0]!;
  const result = layer.output.address;
  const tables = layer.scratch.address;
  const expWhole = tables;
  const expFraction = expWhole + 4 * EXP_WHOLE.length;
  const lnFraction = expFraction + 4 * EXP_FRACTION.length;
  const c64 = (value: number | bigint): Expression => code.i64(BigInt(value));
  /** A table's entry as u64; `index` is an i64. */
  const entry = (table: number, index: Expression): Expression =>
    i64.load32_u(table, 4, i32.wrap(i64.shl(index, c64(2))));

  const at = code.pointer();
  const index = code.pointer();
  const label = code.pointer();
  const largest = code.pointer();
  const argmax: Expression[] = [
    at.set(code.i32(result + RESULT_HEAD_BYTES)),
    largest.set(i32.load(0, 4, at.get)),
    label.set(code.i32(0)),
    index.set(code.i32(0)),
    code.repeat(classes, [
      code.module.if(
        i32.gt_s(i32.load(0, 4, at.get), largest.get),
        code.block(largest.set(i32.load(0, 4, at.get)), label.set(index.get)),
      ),
      at.advance(4),
      index.advance(1),
    ]),
  ];

  const [d, e, rest, sum, weighted] = [code.word(), code.word(), code.word(), code.word(), code.word()];
  const difference = i64.sub(i64.extend_s(largest.get), i64.load32_s(0, 4, at.get));
  const toQ16 = 16 + layer.logitExponent;
  const inQ16 = toQ16 >= 0 ? i64.shl(difference, c64(toQ16)) : i64.shr_s(difference, c64(-toQ16));
  const addClass: Expression[] = [
    rest.set(i64.and(d.get, c64(1023))),
    e.set(
      i64.shr_u(
        i64.mul(
          entry(expWhole, i64.shr_u(d.get, c64(16))),
          entry(expFraction, i64.and(i64.shr_u(d.get, c64(10)), c64(63))),
        ),
        c64(30),
      ),
    ),
    e.set(
      i64.shr_u(
        i64.mul(
          i64.add(i64.sub(c64(1 << 30), i64.shl(rest.get, c64(14))), i64.shr_u(i64.mul(rest.get, rest.get), c64(3))),
          e.get,
        ),
        c64(30),
      ),
    ),
    sum.set(i64.add(sum.get, e.get)),
    weighted.set(i64.add(i64.mul(e.get, d.get), weighted.get)),
  ];
  const sums: Expression[] = [
    at.set(code.i32(result + RESULT_HEAD_BYTES)),
    sum.set(c64(0)),
    weighted.set(c64(0)),
    code.repeat(classes, [
      d.set(inQ16),
      code.module.if(i64.lt_u(d.get, c64(BigInt(EXP_RANGE) << 16n)), code.block(...addClass)),
      at.advance(4),
    ]),
  ];

  const [exponent, mantissa, j, u, squared] = [code.word(), code.word(), code.word(), code.word(), code.word()];
  const entropy = code.pointer();
  const base = i64.add(c64(1 << 30), i64.shl(j.get, c64(24)));
  const logarithm: Expression[] = [
    exponent.set(i64.sub(c64(33), i64.clz(sum.get))),
    mantissa.set(i64.shr_u(sum.get, exponent.get)),
    j.set(i64.shr_u(i64.sub(mantissa.get, c64(1 << 30)), c64(24))),
    u.set(i64.div_u(i64.shl(i64.sub(mantissa.get, base), c64(30)), i64.add(c64(1 << 30), i64.shl(j.get, c64(24))))),
    squared.set(i64.shr_u(i64.mul(u.get, u.get), c64(30))),
    u.set(
      i64.add(
        i64.sub(u.get, i64.shr_u(squared.get, c64(1))),
        i64.div_u(i64.shr_u(i64.mul(squared.get, u.get), c64(30)), c64(3)),
      ),
    ),
    u.set(i64.add(i64.add(i64.mul(exponent.get, c64(LN_2)), entry(lnFraction, j.get)), u.get)),
    entropy.set(i32.wrap(i64.add(i64.shr_u(u.get, c64(14)), i64.div_u(weighted.get, sum.get)))),
  ];

  const exited = code.pointer();
  return [
    loadWeights(code.i32(tables), code.i32(layer.tables.offset), code.i32(layer.tables.bytes)),
    ...argmax,
    ...sums,
    ...logarithm,
    i32.store(result, 4, code.i32(0), label.get),
    i32.store(result + 4, 4, code.i32(0), exited.tee(i32.lt_s(entropy.get, i32.load(threshold, 4, code.i32(0))))),
    i32.store(result + 8, 4, code.i32(0), entropy.get),
    exited.get,
  ];
}
