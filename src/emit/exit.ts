/** The exit: pooling, a fully connected layer, entropy by integer tables, and the decision. */
import { EXP_FRACTION, EXP_RANGE, EXP_WHOLE, LN_2 } from "../graph/entropy.ts";
import type { DenseExitLayer, ExitPoolLayer } from "../plan/plan.ts";
import type { Code, Expression } from "./code.ts";

/** Columns of a window that are unrolled. */
const MAX_UNROLLED_COLUMNS = 8;

/** min((sum over windows of max(stream - shift, 0)) >> shift, 255), channels outermost. */
export function emitExitPool(code: Code, layer: ExitPoolLayer): Expression {
  const { i32 } = code.module;
  const [channels, height, width] = layer.inputShape;
  const [rows, columns] = layer.window;
  const cellsDown = Math.floor(height / rows);
  const cellsAcross = Math.floor(width / columns);
  const cells = cellsDown * cellsAcross;
  const corner = code.pointer();
  const from = code.pointer();
  const out = code.pointer();
  const shifts = code.pointer();
  const offset = code.pointer();
  const sum = code.pointer();
  const value = code.pointer();
  const one = (at: number): Expression[] => [
    value.set(i32.sub(i32.load8_s(at, 1, from.get), offset.get)),
    sum.set(i32.add(code.module.select(i32.gt_s(value.get, code.i32(0)), value.get, code.i32(0)), sum.get)),
  ];
  const row: Expression[] =
    columns <= MAX_UNROLLED_COLUMNS
      ? [...Array.from({ length: columns }, (_, x) => one(x * channels)).flat(), from.advance(width * channels)]
      : [code.repeat(columns, [...one(0), from.advance(channels)]), from.advance((width - columns) * channels)];
  const scaled =
    layer.shift >= 0 ? i32.shr_u(sum.get, code.i32(layer.shift)) : i32.shl(sum.get, code.i32(-layer.shift));
  const channel: Expression[] = [
    from.set(corner.get),
    offset.set(i32.load16_s(0, 2, shifts.get)),
    sum.set(code.i32(0)),
    code.repeat(rows, row),
    sum.set(scaled),
    i32.store8(0, 1, out.get, code.module.select(i32.gt_u(sum.get, code.i32(255)), code.i32(255), sum.get)),
    out.advance(cells),
    shifts.advance(2),
    corner.advance(1),
  ];
  const cell: Expression[] = [
    shifts.set(code.i32(layer.scratch.address)),
    code.repeat(channels, channel),
    // The corner has moved over the channels of its pixel: on to the next window. The output back to this cell's neighbour.
    corner.advance((columns - 1) * channels),
    out.advance(1 - channels * cells),
  ];
  return code.block(
    corner.set(code.i32(layer.input.address)),
    out.set(code.i32(layer.output.address)),
    code.repeat(cellsDown, [
      code.repeat(cellsAcross, cell),
      corner.advance((rows * width - cellsAcross * columns) * channels),
    ]),
  );
}

/** Loads slices of weights.bin: (to, from, bytes). */
export type LoadWeights = (to: Expression, from: Expression, bytes: Expression) => Expression;

/** Writes logits, label, entropy and decision to the result; returns the decision (1 = the answer is final) as an i32. */
export function emitDenseExit(
  code: Code,
  layer: DenseExitLayer,
  threshold: number,
  loadWeights: LoadWeights,
): Expression {
  return code.module.block(
    null,
    [...logits(code, layer, loadWeights), ...decide(code, layer, threshold, loadWeights)],
    code.types.i32,
  );
}

const LOGITS_OFFSET = 12;

function logits(code: Code, layer: DenseExitLayer, loadWeights: LoadWeights): Expression[] {
  const { i32 } = code.module;
  const classes = layer.outputShape[0]!;
  const row = code.pointer();
  const out = code.pointer();
  const weight = code.pointer();
  const input = code.pointer();
  const sum = code.pointer();
  const scratch = layer.scratch.address;
  const paddedInputs = layer.rowBytes - 4;
  const tap = (i: number): Expression =>
    sum.set(i32.add(i32.mul(i32.load8_s(i, 1, weight.get), i32.load8_u(i, 1, input.get)), sum.get));
  return [
    row.set(code.i32(layer.weights.offset)),
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
