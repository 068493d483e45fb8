/** The pooling in front of an exit. */
import type { ExitPoolLayer } from "../plan/plan.ts";
import type { Code, Expression } from "./code.ts";

/** Columns of a window that are unrolled. */
const MAX_UNROLLED_COLUMNS = 8;

/** min((sum over windows of max(stream - shift, 0)) >> shift, 255), channels innermost. */
export function emitExitPool(code: Code, layer: ExitPoolLayer): Expression {
  const { i32 } = code.module;
  const [channels, height, width] = layer.inputShape;
  const [rows, columns] = layer.window;
  const cellsDown = Math.floor(height / rows);
  const cellsAcross = Math.floor(width / columns);
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
    out.advance(1),
    shifts.advance(2),
    corner.advance(1),
  ];
  const cell: Expression[] = [
    shifts.set(code.i32(layer.scratch.address)),
    code.repeat(channels, channel),
    // The corner has moved over the channels of its pixel: on to the next window.
    corner.advance((columns - 1) * channels),
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
