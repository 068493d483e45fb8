/** The end of an exit: a fully connected layer, entropy by integer tables, and the decision. */
import { EXP_FRACTION, EXP_RANGE, EXP_WHOLE, LN_2 } from "../graph/entropy.ts";
import type { DenseExitLayer } from "../plan/plan.ts";
import type { Code, Expression } from "./code.ts";
import type { EmitContext, LoadWeights } from "./emitter.ts";

/** Writes logits, label, entropy and decision to the result; returns the decision (1 = the answer is final) as an i32. */
export function emitDenseExit(
  code: Code,
  layer: DenseExitLayer,
  { threshold, loadWeights, weightsAt }: EmitContext,
): Expression {
  return code.module.block(
    null,
    [...logits(code, layer, loadWeights, weightsAt()), ...decide(code, layer, threshold, loadWeights)],
    code.types.i32,
  );
}

const LOGITS_OFFSET = 12;

function logits(code: Code, layer: DenseExitLayer, loadWeights: LoadWeights, weightsAt: Expression): Expression[] {
  const { i32 } = code.module;
  const classes = layer.outputShape[0]!;
  const row = code.pointer();
  const out = code.pointer();
  const weight = code.pointer();
  const input = code.pointer();
  const sum = code.pointer();
  const scratch = layer.scratch.address;
  const paddedInputs = layer.rowBytes - 4;
  const load = layer.signed ? i32.load8_s : i32.load8_u;
  const tap = (i: number): Expression =>
    sum.set(i32.add(i32.mul(i32.load8_s(i, 1, weight.get), load(i, 1, input.get)), sum.get));
  return [
    row.set(weightsAt),
    out.set(code.i32(layer.output.address + LOGITS_OFFSET)),
    code.repeat(classes, [
      loadWeights(code.i32(scratch), row.get, code.i32(layer.rowBytes)),
      weight.set(code.i32(scratch)),
      input.set(code.i32(layer.input.address)),
      sum.set(i32.load(scratch + paddedInputs, 4, code.i32(0))),
      // Padding weights are zero: what lies behind the inputs does not matter.
      code.repeat(paddedInputs / 4, [tap(0), tap(1), tap(2), tap(3), weight.advance(4), input.advance(4)]),
      i32.store(0, 4, out.get, sum.get),
      out.advance(4),
      row.advance(layer.rowBytes),
    ]),
  ];
}

/** Follows `integerEntropy` of src/graph/entropy.ts step by step. */
function decide(code: Code, layer: DenseExitLayer, threshold: number, loadWeights: LoadWeights): Expression[] {
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
    at.set(code.i32(result + LOGITS_OFFSET)),
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
    at.set(code.i32(result + LOGITS_OFFSET)),
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
    layer.last ? code.i32(1) : exited.get,
  ];
}
