/** Fully connected layers: src/plan/dense.ts. */
import { DENSE_UNROLLED } from "../plan/dense.ts";
import type { DenseLayer } from "../plan/sum-layers.ts";
import type { Code, Expression, Local } from "./code.ts";
import { loadElement, loadWide } from "./element.ts";
import type { EmitContext } from "./emitter.ts";
import { finishOutputs, OutputWriter } from "./epilogue.ts";

export function emitDense(code: Code, layer: DenseLayer, context: EmitContext): Expression {
  const { outputs, sums, epilogue, scratch } = layer;
  const writer = new OutputWriter(code, epilogue, layer.output);
  const [sum, record] = [code.pointer(), code.pointer()];
  return code.block(
    ...multiply(code, layer, sum, context),
    sum.set(code.i32(sums.address)),
    record.set(code.i32(scratch.address)),
    ...writer.start(),
    finishOutputs(code, writer, epilogue, { count: outputs, sum, element: { bytes: 4, signed: true }, record }),
  );
}

/** Writes every output's sum of products. */
function multiply(code: Code, layer: DenseLayer, sum: Local, { loadWeights, weightsAt }: EmitContext): Expression[] {
  const { i32, i64 } = code.module;
  const { scratch, recordsBytes, pieces, pieceInputs, outputs, element, input, sums, weightOffset, fieldBits } = layer;
  const pieceBytes = 8 * pieceInputs;
  const pairCount = 32 / fieldBits;
  const field = (1n << BigInt(fieldBits)) - 1n;
  const pairMask = field | (field << 32n);
  const [from, at, weights] = [code.pointer(), code.pointer(), code.pointer()];
  const [word, activation] = [code.word(), code.word()];
  const pairs = Array.from({ length: pairCount }, () => code.word());
  // The low half of a pair starts at 2^31, so that it never borrows from the high half.
  const start = 1n << 31n;
  const lowLacks = code.word();
  const highLacks = weightOffset === 0 ? undefined : code.word();
  const tap = (i: number): Expression[] => [
    activation.set(loadWide(code, element, i * element.bytes, at.get)),
    word.set(i64.load(8 * i, 8, weights.get)),
    ...pairs.map((pair, p) => {
      const moved = p === 0 ? word.get : i64.shr_u(word.get, code.i64(BigInt(fieldBits * p)));
      return pair.set(i64.add(i64.mul(i64.and(moved, code.i64(pairMask)), activation.get), pair.get));
    }),
  ];
  const piece = [
    loadWeights(code.i32(scratch.address + recordsBytes), from.get, code.i32(pieceBytes)),
    from.advance(pieceBytes),
    weights.set(code.i32(scratch.address + recordsBytes)),
    code.repeat(pieceInputs / DENSE_UNROLLED, [
      ...Array.from({ length: DENSE_UNROLLED }, (_, i) => tap(i)).flat(),
      weights.advance(8 * DENSE_UNROLLED),
      at.advance(element.bytes * DENSE_UNROLLED),
    ]),
  ];
  const stores = pairs.flatMap((pair, p) => {
    const high = i64.shr_u(pair.get, code.i64(32n));
    return [
      i64.store32(4 * p, 4, sum.get, i64.add(pair.get, lowLacks.get)),
      i64.store32(4 * (p + pairCount), 4, sum.get, highLacks ? i64.add(high, highLacks.get) : high),
    ];
  });
  const lacking = highLacks
    ? [...sumOfInputs(code, layer, at, highLacks), lowLacks.set(i64.sub(highLacks.get, code.i64(start)))]
    : [lowLacks.set(code.i64(-start))];
  return [
    loadWeights(code.i32(scratch.address), weightsAt(), code.i32(recordsBytes)),
    from.set(i32.add(weightsAt(), code.i32(recordsBytes))),
    ...lacking,
    sum.set(code.i32(sums.address)),
    code.repeat(Math.ceil(outputs / (2 * pairCount)), [
      ...pairs.map((pair) => pair.set(code.i64(start))),
      at.set(code.i32(input.address)),
      code.repeat(pieces, piece),
      ...stores,
      sum.advance(8 * pairCount),
    ]),
  ];
}

/** The sum of the inputs times the weights' offset. */
function sumOfInputs(
  code: Code,
  { element, input, inputs, weightOffset }: DenseLayer,
  at: Local,
  total: Local,
): Expression[] {
  const { i32, i64 } = code.module;
  const narrow = code.pointer();
  return [
    narrow.set(code.i32(0)),
    at.set(code.i32(input.address)),
    code.repeat(inputs, [
      narrow.set(i32.add(loadElement(code, element, 0, at.get), narrow.get)),
      at.advance(element.bytes),
    ]),
    total.set(i64.mul(i64.extend_s(narrow.get), code.i64(BigInt(weightOffset)))),
  ];
}
