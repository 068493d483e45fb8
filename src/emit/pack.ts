/** Packs stored integers to levels of a few bits; a pixel's channels start at a byte boundary. */
import type { PackLayer } from "../plan/element-layers.ts";
import type { Code, Expression } from "./code.ts";
import { loadElement } from "./element.ts";

export function emitPack(code: Code, layer: PackLayer): Expression {
  const { i32 } = code.module;
  const { element, bits, low, shift, channels, outputShape, input, output } = layer;
  const pixels = outputShape.reduce((product, n) => product * n, 1) / channels;
  const perByte = 8 / bits;
  const from = code.pointer();
  const to = code.pointer();
  const level = (k: number): Expression => {
    const value = loadElement(code, element, k * element.bytes, from.get);
    const above = low === 0 ? value : i32.sub(value, code.i32(low));
    const shifted = shift === 0 ? above : i32.shr_s(above, code.i32(shift));
    return k === 0 ? shifted : i32.shl(shifted, code.i32(k * bits));
  };
  const byte = (count: number): Expression[] => [
    i32.store8(
      0,
      1,
      to.get,
      Array.from({ length: count }, (_, k) => level(k)).reduce((a, b) => i32.or(a, b)),
    ),
    to.advance(1),
    from.advance(count * element.bytes),
  ];
  const whole = Math.floor(channels / perByte);
  const rest = channels % perByte;
  return code.block(
    from.set(code.i32(input.address)),
    to.set(code.i32(output.address)),
    code.repeat(pixels, [...(whole > 0 ? [code.repeat(whole, byte(perByte))] : []), ...(rest > 0 ? byte(rest) : [])]),
  );
}
