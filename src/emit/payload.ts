/** Packs the feature map at the cut: per channel, how many thresholds its integer reaches. */
import type { PayloadLayer } from "../plan/plan.ts";
import type { Code, Expression } from "./code.ts";

export function emitPayload(code: Code, layer: PayloadLayer): Expression {
  const { i32 } = code.module;
  const [channels, height, width] = layer.inputShape;
  const perByte = 8 / layer.bits;
  const rowBytes = Math.ceil(channels / perByte);
  const steps = 2 ** layer.bits - 1;
  const from = code.pointer();
  const out = code.pointer();
  const table = code.pointer();
  const n = code.pointer();
  const level = code.pointer();
  const packed = code.pointer();
  const reached = (t: number): Expression => i32.ge_s(n.get, i32.load16_s(2 + 2 * t, 2, table.get));
  const thresholds =
    steps <= 3
      ? Array.from({ length: steps }, (_, t) => reached(t)).reduce((sum, one) => i32.add(sum, one))
      : undefined;
  const count: Expression[] = thresholds
    ? [level.set(thresholds), table.advance(2 + 2 * steps)]
    : [
        level.set(code.i32(0)),
        code.repeat(steps, [level.set(i32.add(reached(0), level.get)), table.advance(2)]),
        table.advance(2),
      ];
  const channel: Expression[] = [
    n.set(i32.xor(i32.load8_s(0, 1, from.get), i32.load16_s(0, 2, table.get))),
    ...count,
    // The first channel of a byte ends in its lowest bits: bytes fill from the top and move down.
    packed.set(i32.or(i32.shr_u(packed.get, code.i32(layer.bits)), i32.shl(level.get, code.i32(8 - layer.bits)))),
    from.advance(1),
  ];
  const byte: Expression[] = [
    packed.set(code.i32(0)),
    code.repeat(perByte, channel),
    i32.store8(0, 1, out.get, packed.get),
    out.advance(1),
  ];
  const beyond = rowBytes * perByte - channels;
  return code.block(
    from.set(code.i32(layer.input.address)),
    out.set(code.i32(layer.output.address)),
    code.repeat(height * width, [
      table.set(code.i32(layer.scratch.address)),
      code.repeat(rowBytes, byte),
      ...(beyond > 0 ? [from.advance(-beyond)] : []),
    ]),
  );
}
