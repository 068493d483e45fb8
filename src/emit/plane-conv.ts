/** Convolution in bit planes: 64 products of bits by one `and` and one population count. */
import type { PlaneConvLayer } from "../plan/sum-layers.ts";
import { BitWindow, planeBytes } from "./bit-window.ts";
import { emitBlocks } from "./blocks.ts";
import type { Code, Expression, Local } from "./code.ts";
import type { EmitContext } from "./emitter.ts";
import { OutputWriter } from "./epilogue.ts";
import { loadWord } from "./load-word.ts";
import { nest } from "./nest.ts";

export function emitPlaneConv(code: Code, layer: PlaneConvLayer, context: EmitContext): Expression {
  const { recordsBytes, scratch, blockOutputs } = layer;
  const headBytes = recordsBytes + chunksOf(layer) * maskBytes(layer);
  const blockBytes = blockOutputs * chunksOf(layer) * filterBytes(layer);
  const writer = new OutputWriter(code, layer.epilogue, layer.output);
  return code.block(
    ...emitBlocks(code, { ...layer, headBytes }, writer, context, (from, firstRecord) => [
      context.loadWeights(code.i32(scratch.address + headBytes), from.get, code.i32(blockBytes)),
      from.advance(blockBytes),
      ...convolve(code, layer, writer, scratch.address + headBytes, firstRecord),
    ]),
  );
}

function chunksOf({ loops }: PlaneConvLayer): number {
  return loops.reduce((product, { count }) => product * count, 1);
}

function filterBytes({ weightPlanes, words }: PlaneConvLayer): number {
  return weightPlanes.length * words.length * 8;
}

function maskBytes({ weightConstant, words }: PlaneConvLayer): number {
  return weightConstant === 0 ? 0 : words.length * 8;
}

function convolve(
  code: Code,
  layer: PlaneConvLayer,
  writer: OutputWriter,
  firstFilter: number,
  firstRecord: Expression,
): Expression[] {
  const { i32, i64, memory } = code.module;
  const { map, loops, words, planes, weightConstant, epilogue, sums, blockOutputs, strides, pixelBytes } = layer;
  const [outputs, height, width] = map;
  const window = new BitWindow(code, layer);
  const several = loops.length > 0;
  const at = several ? code.pointer() : window.pixel;
  const filter = code.pointer();
  const record = code.pointer();
  const held = planes.map(() => words.map(() => code.word()));
  const total = weightConstant === 0 ? undefined : code.word();
  const mask = total && code.pointer();
  const sum = several ? code.pointer() : undefined;
  const gather = held.flatMap((plane, p) =>
    plane.map((word, w) =>
      word.set(loadWord(code, at, words[w]!, layer.dilation * layer.rowBytes, p * planeBytes(layer))),
    ),
  );
  const correct =
    total && mask
      ? [...addActivations(code, layer, held, mask, total), ...(several ? [mask.advance(maskBytes(layer))] : [])]
      : [];
  const filtered = code.word();
  const finish = (raw: Expression): Expression[] => [
    ...writer.store(total ? i32.add(raw, i32.wrap(total.get)) : raw, record, 0),
    ...writer.advance(1),
    ...(epilogue.recordBytes > 0 ? [record.advance(epilogue.recordBytes)] : []),
  ];
  const dot = [...dotProduct(code, layer, held, filter, filtered), filter.advance(filterBytes(layer))];
  const start = [
    filter.set(code.i32(firstFilter)),
    record.set(firstRecord),
    ...(total ? [total.set(code.i64(0n))] : []),
    ...(mask ? [mask.set(code.i32(layer.scratch.address + layer.recordsBytes))] : []),
  ];
  const scale = total && weightConstant !== 1 ? [total.set(i64.mul(total.get, code.i64(BigInt(weightConstant))))] : [];
  const once = [
    ...start,
    ...gather,
    ...correct,
    ...scale,
    code.repeat(blockOutputs, [...dot, ...finish(i32.wrap(filtered.get))]),
  ];
  const inChunks = sum
    ? [
        ...start,
        at.set(window.pixel.get),
        memory.fill(code.i32(sums.address), code.i32(0), code.i32(4 * blockOutputs)),
        ...nest(code, at, loops, [
          ...gather,
          ...correct,
          sum.set(code.i32(sums.address)),
          code.repeat(blockOutputs, [
            ...dot,
            i64.store32(0, 4, sum.get, i64.add(filtered.get, i64.load32_u(0, 4, sum.get))),
            sum.advance(4),
          ]),
        ]),
        ...scale,
        sum.set(code.i32(sums.address)),
        code.repeat(blockOutputs, [...finish(i32.load(0, 4, sum.get)), sum.advance(4)]),
      ]
    : once;
  const pixel = [...inChunks, ...writer.advance(outputs - blockOutputs), window.pixel.advance(strides[1] * pixelBytes)];
  return [...window.start(), code.repeat(height, [...window.enterRow(), code.repeat(width, pixel)])];
}

/** Adds up the activations that have taps, without their constant. */
function addActivations(
  code: Code,
  { planes, words }: PlaneConvLayer,
  held: readonly (readonly Local[])[],
  mask: Local,
  total: Local,
): Expression[] {
  const { i64 } = code.module;
  return planes.flatMap(({ coefficient }, p) =>
    words.map((_, w) => {
      const count = i64.popcnt(i64.and(i64.load(8 * w, 8, mask.get), held[p]![w]!.get));
      return total.set(i64.add(i64.mul(count, code.i64(BigInt(coefficient))), total.get));
    }),
  );
}

/** Pairs of planes from the largest product of coefficients down, doubling on the way (Horner). */
function dotProduct(
  code: Code,
  { planes, weightPlanes, words }: PlaneConvLayer,
  held: readonly (readonly Local[])[],
  filter: Local,
  sum: Local,
): Expression[] {
  const { i64 } = code.module;
  const pairs = weightPlanes
    .flatMap((weight, q) => planes.map((plane, p) => ({ p, q, coefficient: weight.coefficient * plane.coefficient })))
    .sort((a, b) => Math.abs(b.coefficient) - Math.abs(a.coefficient));
  const steps = [sum.set(code.i64(0n))];
  let scale = Math.abs(pairs[0]!.coefficient);
  const descend = (to: number): void => {
    if (to < scale) steps.push(sum.set(i64.shl(sum.get, code.i64(BigInt(Math.log2(scale / to))))));
    scale = to;
  };
  for (const { p, q, coefficient } of pairs) {
    descend(Math.abs(coefficient));
    words.forEach((_, w) => {
      const word = i64.load(8 * (q * words.length + w), 8, filter.get);
      const count = i64.popcnt(i64.and(word, held[p]![w]!.get));
      steps.push(sum.set(coefficient > 0 ? i64.add(count, sum.get) : i64.sub(sum.get, count)));
    });
  }
  descend(1);
  return steps;
}
