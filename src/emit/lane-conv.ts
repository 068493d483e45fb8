/** Convolution in SWAR lanes: one 64-bit multiplication is a product for each of several output channels. */
import type { Element } from "../plan/element.ts";
import { type Lanes, packedBytes } from "../plan/lanes.ts";
import type { LaneConvLayer } from "../plan/sum-layers.ts";
import { emitBlocks } from "./blocks.ts";
import type { Code, Expression, Local } from "./code.ts";
import { loadWide } from "./element.ts";
import type { EmitContext } from "./emitter.ts";
import { finishOutputs, OutputWriter } from "./epilogue.ts";
import { nest } from "./nest.ts";
import { RowWalker } from "./row-window.ts";

/** Locals are few: what spreads the weights is free again when the layer is computed. */
interface Registers {
  readonly weights: Local;
  readonly sum: Local;
  readonly record: Local;
  /** The activations of a chunk's taps. */
  readonly held: readonly Local[];
  /** Sums of a group of outputs. */
  readonly word: Local;
  /** By how much a group of channels lies behind the first. */
  readonly input: Local | undefined;
}

export function emitLaneConv(code: Code, layer: LaneConvLayer, context: EmitContext): Expression {
  const { blockInputBytes, offsets } = layer;
  const writer = new OutputWriter(code, layer.epilogue, layer.output);
  const input = blockInputBytes > 0 ? code.pointer() : undefined;
  const registers: Registers = {
    weights: code.pointer(),
    sum: code.pointer(),
    record: code.pointer(),
    held: offsets.map(() => code.word()),
    word: code.word(),
    input,
  };
  const blocks = emitBlocks(code, { ...layer, headBytes: layer.recordsBytes }, writer, context, (from, firstRecord) => [
    ...spread(code, layer, registers, from, context),
    ...convolve(code, layer, registers, writer, firstRecord),
    ...(input ? [input.advance(blockInputBytes)] : []),
  ]);
  return code.block(...(input ? [input.set(code.i32(0))] : []), ...blocks);
}

function chunksOf({ loops }: LaneConvLayer): number {
  return loops.reduce((product, { count }) => product * count, 1);
}

/**
 * Loads a part's weights behind the end of what they become, and spreads them into words from the beginning on: a word's weights
 * never lie before it.
 */
function spread(
  code: Code,
  layer: LaneConvLayer,
  { sum: at, weights: to, word: weights }: Registers,
  from: Local,
  { loadWeights }: EmitContext,
): Expression[] {
  const { i64 } = code.module;
  const { lanes, fieldBits, weightsSigned, offsets } = layer;
  const words = layer.groups * chunksOf(layer) * offsets.length;
  const wordBytes = packedBytes(lanes, fieldBits);
  const bytes = words * wordBytes;
  const begin = layer.scratch.address + layer.recordsBytes;
  const packed = begin + 8 * words - bytes;
  const shift = (bits: number): Expression => code.i64(BigInt(bits));
  const lane = (index: number): Expression => {
    const top = i64.shl(weights.get, shift(64 - (index + 1) * fieldBits));
    const weight = weightsSigned ? i64.shr_s(top, shift(64 - fieldBits)) : i64.shr_u(top, shift(64 - fieldBits));
    return index === 0 ? weight : i64.shl(weight, shift(index * lanes.bits));
  };
  const word = Array.from({ length: lanes.count }, (_, index) => lane(index)).reduce((sum, one) => i64.add(one, sum));
  return [
    loadWeights(code.i32(packed), from.get, code.i32(bytes)),
    from.advance(bytes),
    at.set(code.i32(packed)),
    to.set(code.i32(begin)),
    code.repeat(words, [
      weights.set(i64.load(0, 1, at.get)),
      i64.store(0, 1, to.get, word),
      at.advance(wordBytes),
      to.advance(8),
    ]),
  ];
}

function convolve(
  code: Code,
  layer: LaneConvLayer,
  registers: Registers,
  writer: OutputWriter,
  firstRecord: Expression,
): Expression[] {
  const { i32, memory } = code.module;
  const { map, offsets, loops, epilogue, sums, blockOutputs, strideBytes, scratch, recordsBytes } = layer;
  const { weights, sum, record, held, input } = registers;
  const [outputs, height, width] = map;
  const rows = new RowWalker(code, layer.window);
  const tap = loops.length > 0 || input ? code.pointer() : rows.pixel;
  const hold = held.map((local, t) => local.set(loadWide(code, layer.element, offsets[t]!, tap.get)));
  const start = [
    ...(tap === rows.pixel ? [] : [tap.set(input ? i32.add(rows.pixel.get, input.get) : rows.pixel.get)]),
    weights.set(code.i32(scratch.address + recordsBytes)),
  ];
  const inChunks = (): Expression[] => [
    memory.fill(code.i32(sums.address), ...initialSums(code, layer)),
    ...nest(code, tap, loops, [
      ...hold,
      sum.set(code.i32(sums.address)),
      code.repeat(layer.groups, addUp(code, layer, registers)),
    ]),
    sum.set(code.i32(sums.address)),
    record.set(firstRecord),
    finishOutputs(code, writer, epilogue, { count: blockOutputs, sum, element: sumElement(layer), record }),
    ...writer.advance(outputs - blockOutputs),
  ];
  const atOnce = (): Expression[] => [
    ...hold,
    record.set(firstRecord),
    ...finishGroups(code, layer, registers, writer),
    ...writer.advance(outputs),
  ];
  const pixel = [...start, ...(loops.length > 0 ? inChunks() : atOnce()), rows.pixel.advance(strideBytes)];
  return [...rows.start(), code.repeat(height, [...rows.enterRow(), code.repeat(width, pixel)])];
}

/** Multiplies a group's weights with the held activations. */
function multiply(code: Code, { held, weights, word }: Registers): Expression[] {
  const { i64 } = code.module;
  return held.map((activation, t) =>
    word.set(i64.add(i64.mul(i64.load(8 * t, 8, weights.get), activation.get), word.get)),
  );
}

function initialWord({ count, bits, seed }: Lanes): bigint {
  return Array.from({ length: count }, (_, lane) => BigInt(seed) << BigInt(lane * bits)).reduce((a, b) => a + b);
}

function laneOf(code: Code, { count, bits }: Lanes, word: Local, lane: number): Expression {
  const { i64 } = code.module;
  const moved = lane === 0 ? word.get : i64.shr_u(word.get, code.i64(BigInt(lane * bits)));
  // Nothing is above the top lane: bits that lanes leave over are zero, as the sum of all lanes is below them.
  return lane === count - 1 ? moved : i64.and(moved, code.i64((1n << BigInt(bits)) - 1n));
}

/**
 * All taps at once: each group's outputs are finished as soon as it is summed up. Where groups do not divide the outputs evenly, the last
 * one begins early, and computes some outputs again: a second round of the same loop, behind a step back. The writer ends where
 * it began.
 */
function finishGroups(
  code: Code,
  { lanes, ownStarts, groups, blockOutputs, epilogue, offsets, scratch, recordsBytes }: LaneConvLayer,
  registers: Registers,
  writer: OutputWriter,
): Expression[] {
  const { weights, record, word } = registers;
  const { i64 } = code.module;
  const { recordBytes } = epilogue;
  const stored = Math.min(lanes.count, blockOutputs);
  const groupBytes = 8 * offsets.length;
  const back = blockOutputs - groups * stored;
  const rounds = back === 0 ? 1 : 2;
  const firstRound = rounds === 1 ? groups : groups - 1;
  const end = code.pointer();
  const group = [
    word.set(ownStarts ? i64.load(0, 8, record.get) : code.i64(initialWord(lanes))),
    ...multiply(code, registers),
    ...Array.from({ length: stored }, (_, lane) =>
      writer.store({ i64: laneOf(code, lanes, word, lane) }, record, lane * recordBytes, lane),
    ).flat(),
    ...writer.advance(stored),
    ...(ownStarts ? [record.advance(8)] : []),
    ...(recordBytes > 0 ? [record.advance(stored * recordBytes)] : []),
    weights.advance(groupBytes),
  ];
  return [
    end.set(code.i32(scratch.address + recordsBytes + firstRound * groupBytes)),
    code.repeat(rounds, [
      code.untilReaches(weights, end.get, group),
      ...(back === 0
        ? []
        : [
            ...writer.advance(back),
            ...(recordBytes > 0 ? [record.advance(back * recordBytes)] : []),
            end.advance(groupBytes),
          ]),
    ]),
    ...writer.advance(-groups * stored - rounds * back),
  ];
}

/** How an output's sum lies in memory. */
function sumElement({ lanes }: LaneConvLayer): Element {
  if (!lanes.whole || lanes.bits === 32) return { bytes: 4, signed: true };
  return { bytes: lanes.bits === 8 ? 1 : 2, signed: false };
}

/** The byte that all sums begin with, and how many there are. */
function initialSums(code: Code, { lanes, groups }: LaneConvLayer): [Expression, Expression] {
  if (!lanes.whole) return [code.i32(0), code.i32(groups * lanes.count * 4)];
  return [code.i32(lanes.seed & 0xff), code.i32(groups * 8)];
}

/** One chunk's taps: a group's sums are added to what lies in memory. */
function addUp(code: Code, { lanes, offsets }: LaneConvLayer, registers: Registers): Expression[] {
  const { i64 } = code.module;
  const { count, whole } = lanes;
  const { weights, sum, word } = registers;
  const products = multiply(code, registers);
  const move = [weights.advance(8 * offsets.length), sum.advance(whole ? 8 : 4 * count)];
  if (whole) return [word.set(i64.load(0, 8, sum.get)), ...products, i64.store(0, 8, sum.get, word.get), ...move];
  const stores = Array.from({ length: count }, (_, lane) =>
    i64.store32(4 * lane, 4, sum.get, i64.add(laneOf(code, lanes, word, lane), i64.load32_u(4 * lane, 4, sum.get))),
  );
  return [word.set(code.i64(initialWord(lanes))), ...products, ...stores, ...move];
}
