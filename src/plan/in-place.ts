/** Whether a downsampling layer may write its output over the stream that its shortcut still pools. */

/**
 * Replays the kernel's order: rows in blocks of pixels, each block channel by channel, pixels innermost; each output value reads
 * its window of the same channel and is then written. In place is sound when no byte is written before its last read.
 * @param input [channels, height, width] of the stream, channels innermost in memory
 * @param output likewise; both start at the same address
 * @param block pixels
 */
export function poolsInPlace(
  [channels, , width]: readonly [number, number, number],
  [outputs, outHeight, outWidth]: readonly [number, number, number],
  [rows, columns]: readonly [number, number],
  block: number,
): boolean {
  const lastRead = new Map<number, number>();
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
        lastRead.set(pixel * channels + k, time);
      }
  });
  let sound = true;
  forEachValue((y, x, k, time) => {
    if ((lastRead.get((y * outWidth + x) * outputs + k) ?? -1) > time) sound = false;
  });
  return sound;
}
