/** Convolution in SWAR lanes: one 64-bit multiplication is a product for each of several output channels. */
import type { LaneConvLayer } from "../plan/sum-layers.ts";
import { emitBlocks } from "./blocks.ts";
import type { Code, Expression, Local } from "./code.ts";
import { loadWide } from "./element.ts";
import type { EmitContext } from "./emitter.ts";
import { OutputWriter } from "./epilogue.ts";
import { nest } from "./nest.ts";
import { RowWalker } from "./row-window.ts";

export function emitLaneConv(code: Code, layer: LaneConvLayer, context: EmitContext): Expression {
  const { blockInputBytes } = layer;
  const writer = new OutputWriter(code, layer.epilogue, layer.output);
  /** By how much a group of channels lies behind the first. */
  const input = blockInputBytes > 0 ? code.pointer() : undefined;
  const blocks = emitBlocks(code, { ...layer, headBytes: layer.recordsBytes }, writer, context, (from, firstRecord) => [
    ...spread(code, layer, from, context),
    ...convolve(code, layer, writer, firstRecord, input),
    ...(input ? [input.advance(blockInputBytes)] : []),
  ]);
  return code.block(...(input ? [input.set(code.i32(0))] : []), ...blocks);
}

function groupsOf({ blockOutputs, lanes }: LaneConvLayer): number {
  return Math.ceil(blockOutputs / lanes.count);
}

function chunksOf({ loops }: LaneConvLayer): number {
  return loops.reduce((product, { count }) => product * count, 1);
}

/**
 * Loads a block's weights, one element each, behind the end of what they become, and spreads them into words from the beginning on: a
 * word's elements never lie before it.
 */
function spread(code: Code, layer: LaneConvLayer, from: Local, { loadWeights }: EmitContext): Expression[] {
  const { i64 } = code.module;
  const { lanes, weightElement, offsets } = layer;
  const words = groupsOf(layer) * chunksOf(layer) * offsets.length;
  const bytes = words * lanes.count * weightElement.bytes;
  const begin = layer.scratch.address + layer.recordsBytes;
  const packed = begin + 8 * words - bytes;
  const [at, to] = [code.pointer(), code.pointer()];
  const element = (lane: number): Expression => {
    const value = loadWide(code, weightElement, lane * weightElement.bytes, at.get);
    return lane === 0 ? value : i64.shl(value, code.i64(BigInt(lane * lanes.bits)));
  };
  const word = Array.from({ length: lanes.count }, (_, lane) => element(lane)).reduce((sum, one) => i64.add(one, sum));
  return [
    loadWeights(code.i32(packed), from.get, code.i32(bytes)),
    from.advance(bytes),
    at.set(code.i32(packed)),
    to.set(code.i32(begin)),
    code.repeat(words, [i64.store(0, 1, to.get, word), at.advance(lanes.count * weightElement.bytes), to.advance(8)]),
  ];
}

function convolve(
  code: Code,
  layer: LaneConvLayer,
  writer: OutputWriter,
  firstRecord: Expression,
  input: Local | undefined,
): Expression[] {
  const { i32, memory } = code.module;
  const { map, offsets, loops, epilogue, sums, blockOutputs, strideBytes, scratch, recordsBytes } = layer;
  const [outputs, height, width] = map;
  const rows = new RowWalker(code, layer.window);
  const tap = loops.length > 0 || input ? code.pointer() : rows.pixel;
  const weights = code.pointer();
  const sum = code.pointer();
  const record = code.pointer();
  const held = offsets.map(() => code.word());
  const chunk = [
    ...held.map((local, t) => local.set(loadWide(code, layer.element, offsets[t]!, tap.get))),
    sum.set(code.i32(sums.address)),
    code.repeat(groupsOf(layer), sumUp(code, layer, held, weights, sum)),
  ];
  const pixel = [
    ...(tap === rows.pixel ? [] : [tap.set(input ? i32.add(rows.pixel.get, input.get) : rows.pixel.get)]),
    ...(loops.length > 0
      ? [memory.fill(code.i32(sums.address), code.i32(0), code.i32(groupsOf(layer) * layer.lanes.count * 4))]
      : []),
    weights.set(code.i32(scratch.address + recordsBytes)),
    ...nest(code, tap, loops, chunk),
    sum.set(code.i32(sums.address)),
    record.set(firstRecord),
    code.repeat(blockOutputs, [
      ...writer.store(i32.load(0, 4, sum.get), record, 0),
      ...writer.advance(1),
      sum.advance(4),
      ...(epilogue.recordBytes > 0 ? [record.advance(epilogue.recordBytes)] : []),
    ]),
    ...writer.advance(outputs - blockOutputs),
    rows.pixel.advance(strideBytes),
  ];
  return [...rows.start(), code.repeat(height, [...rows.enterRow(), code.repeat(width, pixel)])];
}

/** One word of sums: for a group of outputs the products with the held taps, each lane then stored, or added to what lies there. */
function sumUp(
  code: Code,
  { lanes, loops }: LaneConvLayer,
  held: readonly Local[],
  weights: Local,
  sum: Local,
): Expression[] {
  const { i64 } = code.module;
  const { count, bits, seed } = lanes;
  const word = code.word();
  const start = Array.from({ length: count }, (_, lane) => BigInt(seed) << BigInt(lane * bits)).reduce((a, b) => a + b);
  const laneOf = (lane: number): Expression => {
    const moved = lane === 0 ? word.get : i64.shr_u(word.get, code.i64(BigInt(lane * bits)));
    // The top lane has nothing above it, unless the lanes leave bits of the word over: those are zero.
    return lane === count - 1 ? moved : i64.and(moved, code.i64((1n << BigInt(bits)) - 1n));
  };
  const stores = Array.from({ length: count }, (_, lane) => {
    const value = loops.length > 0 ? i64.add(laneOf(lane), i64.load32_u(4 * lane, 4, sum.get)) : laneOf(lane);
    return i64.store32(4 * lane, 4, sum.get, value);
  });
  return [
    word.set(code.i64(start)),
    ...held.map((activation, t) =>
      word.set(i64.add(i64.mul(i64.load(8 * t, 8, weights.get), activation.get), word.get)),
    ),
    ...stores,
    weights.advance(8 * held.length),
    sum.advance(4 * count),
  ];
}
