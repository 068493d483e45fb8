/** Whether a layer may write its output over a stream that it reads. */
import { elementCount } from "../graph/graph.ts";
import type { Draft } from "./draft.ts";
import type { Matcher } from "./matcher.ts";

/**
 * Replays the kernel's order: rows in blocks of pixels, each block channel by channel, pixels innermost; each output value reads
 * its window of the same channel and is then written. In place is sound when no byte is written before its last read.
 * @param input [channels, height, width] of the stream, channels innermost in memory
 * @param output likewise; both start at the same address
 * @param block pixels
 * @param entering rows that the convolution reads before the first row of outputs, and before each later one; all, unless told
 */
export function poolsInPlace(
  [channels, height, width]: readonly [number, number, number],
  [outputs, outHeight, outWidth]: readonly [number, number, number],
  [rows, columns]: readonly [number, number],
  block: number,
  entering: readonly [first: number, then: number] = [height, 0],
): boolean {
  const lastRead = new Map<number, number>();
  const rowBytes = width * channels;
  for (let y = entering[0]; y < height; y++) {
    const row = Math.ceil((y - entering[0] + 1) / entering[1]);
    for (let at = 0; at < rowBytes && row < outHeight; at++) lastRead.set(y * rowBytes + at, row * outWidth * outputs);
  }
  const forEachValue = (visit: (y: number, x: number, k: number, time: number) => void): void => {
    let time = 0;
    for (let y = 0; y < outHeight; y++)
      for (let start = 0; start < outWidth; start += block)
        for (let k = 0; k < outputs; k++)
          for (let x = start; x < Math.min(start + block, outWidth); x++) visit(y, x, k, time++);
  };
  forEachValue((y, x, k, time) => {
    if (k >= channels) return;
    for (let i = 0; i < rows; i++)
      for (let j = 0; j < columns; j++) {
        const pixel = (y * rows + i) * width + x * columns + j;
        const at = pixel * channels + k;
        lastRead.set(at, Math.max(time, lastRead.get(at) ?? 0));
      }
  });
  let sound = true;
  forEachValue((y, x, k, time) => {
    if ((lastRead.get((y * outWidth + x) * outputs + k) ?? -1) > time) sound = false;
  });
  return sound;
}

/** The stream that a layer may replace that reads and writes element by element, in order: one of its output's size. */
export function inPlace(match: Matcher, stream: string, output: string): Draft["replaces"] {
  const { offset } = match.bufferOf(stream);
  const [from, to] = [match.storage(stream, undefined), match.storage(output, undefined)];
  const fits = offset === 0 && from.bytes === to.bytes && elementCount(from.shape) === elementCount(to.shape);
  return fits ? { stream, must: false } : undefined;
}
