/** Functions of one byte by table. */
import type { TableLayer } from "../plan/element-layers.ts";
import type { Code, Expression, Local } from "./code.ts";

/** Elements of a loop's body. */
const UNROLLED = 8;
/** Channels up to which each is unrolled with its own table. */
const MAX_UNROLLED_CHANNELS = 8;

export function emitTable(code: Code, layer: TableLayer): Expression {
  const { input, output, outputShape, tables, channels } = layer;
  const elements = outputShape.reduce((product, n) => product * n, 1);
  const from = code.pointer();
  const to = code.pointer();
  const start = [from.set(code.i32(input.address)), to.set(code.i32(output.address))];
  const advance = (by: number): Expression[] => [from.advance(by), to.advance(by * layer.bytes)];
  const one = (k: number, table: Expression | undefined, row = 0): Expression =>
    storeResult(code, layer, { from, to, k, table, row });
  if (tables === 1) {
    const run = (count: number): Expression[] => Array.from({ length: count }, (_, k) => one(k, undefined));
    const rounds = Math.floor(elements / UNROLLED);
    return code.block(
      ...start,
      ...(rounds > 0 ? [code.repeat(rounds, [...run(UNROLLED), ...advance(UNROLLED)])] : []),
      ...run(elements % UNROLLED),
    );
  }
  const pixels = elements / channels;
  if (channels <= MAX_UNROLLED_CHANNELS) {
    const pixel = Array.from({ length: channels }, (_, c) => one(c, undefined, c));
    return code.block(...start, code.repeat(pixels, [...pixel, ...advance(channels)]));
  }
  const table = code.pointer();
  const channel = [one(0, table.get), ...advance(1), table.advance(rowBytes(layer))];
  return code.block(...start, code.repeat(pixels, [table.set(code.i32(0)), code.repeat(channels, channel)]));
}

function rowBytes({ weights, tables }: TableLayer): number {
  return weights.bytes / tables;
}

interface Place {
  readonly from: Local;
  readonly to: Local;
  /** Elements ahead of the pointers. */
  readonly k: number;
  /** Added to the address of the table's entry. */
  readonly table: Expression | undefined;
  readonly row: number;
}

function storeResult(code: Code, layer: TableLayer, { from, to, k, table, row }: Place): Expression {
  const { i32 } = code.module;
  const byte = i32.load8_u(k, 1, from.get);
  const scaled = layer.bytes === 1 ? byte : i32.shl(byte, code.i32(layer.bytes / 2));
  const index = table === undefined ? scaled : i32.add(scaled, table);
  const base = layer.scratch.address + row * rowBytes(layer);
  const at = k * layer.bytes;
  if (layer.bytes === 1) return i32.store8(at, 1, to.get, i32.load8_u(base, 1, index));
  if (layer.bytes === 2) return i32.store16(at, 1, to.get, i32.load16_u(base, 1, index));
  return i32.store(at, 1, to.get, i32.load(base, 1, index));
}
