/** Integers of a tensor as a layer stores them. */
import type { Grid } from "../../src/graph/grid.ts";
import { elementOf } from "../../src/plan/element.ts";

export function elementBytes(integers: ArrayLike<number>, grid: Grid): Uint8Array {
  const { bytes } = elementOf(grid);
  const array = bytes === 1 ? Uint8Array : bytes === 2 ? Uint16Array : Uint32Array;
  return new Uint8Array(array.from(integers).buffer);
}

/** [C, H, W] with channels innermost, as feature maps are stored. */
export function channelsLast(values: Float64Array, [channels, height, width]: readonly number[]): Float64Array {
  const pixels = height! * width!;
  return values.map((_, i) => values[(i % channels!) * pixels + Math.floor(i / channels!)]!);
}
