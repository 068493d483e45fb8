/** Emits layers that work through their outputs part by part: src/plan/blocks.ts. */
import type { Epilogue } from "../plan/epilogue.ts";
import type { Region } from "../plan/plan.ts";
import type { Code, Expression, Local } from "./code.ts";
import type { EmitContext } from "./emitter.ts";
import type { OutputWriter } from "./epilogue.ts";

export interface BlockedLayer {
  readonly scratch: Region;
  /** Bytes that all parts need: the epilogue's records come first. */
  readonly headBytes: number;
  readonly blocks: number;
  readonly blockOutputs: number;
  /** [outputs, height, width] */
  readonly map: readonly [number, number, number];
  readonly epilogue: Epilogue;
}

/**
 * Loads what all parts need, then runs each: `body` gets where in weights.bin its weights begin, to be moved on to the next part's, and the
 * address of its first record. The writer stands at the part's first output.
 */
export function emitBlocks(
  code: Code,
  { scratch, headBytes, blocks, blockOutputs, map, epilogue }: BlockedLayer,
  writer: OutputWriter,
  { loadWeights, weightsAt }: EmitContext,
  body: (from: Local, firstRecord: Expression) => Expression[],
): Expression[] {
  const { i32, select } = code.module;
  const from = code.pointer();
  const start = [
    loadWeights(code.i32(scratch.address), weightsAt(), code.i32(headBytes)),
    from.set(i32.add(weightsAt(), code.i32(headBytes))),
  ];
  if (blocks === 1) return [...start, ...writer.start(), ...body(from, code.i32(scratch.address))];
  const [first, record] = [code.pointer(), code.pointer()];
  const last = code.i32(map[0] - blockOutputs);
  return [
    ...start,
    first.set(code.i32(0)),
    code.repeat(blocks, [
      ...writer.startAt(first),
      record.set(i32.add(i32.mul(first.get, code.i32(epilogue.recordBytes)), code.i32(scratch.address))),
      ...body(from, record.get),
      first.advance(blockOutputs),
      first.set(select(i32.lt_s(first.get, last), first.get, last)),
    ]),
  ];
}
