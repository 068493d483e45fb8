/**
 * The average over each window of `kernel` [kh, kw] at `strides`. With pads, `countIncludePad` says whether the padding, zeros, counts.
 * On a grid where all windows have the same number of elements: the sums are integers on the input's step over that number.
 */
import { type Node, numberOr } from "../graph.ts";
import type { Operator } from "../operator.ts";
import { pooledShape, visitWindow, windowOf } from "./window.ts";

/** Whether every window's sum is divided by kernel height x width. */
function countsAlike(node: Node): boolean {
  return windowOf(node).pads.every((pad) => pad === 0) || numberOr(node, "countIncludePad", 0) === 1;
}

export const averagePool: Operator = {
  op: "averagePool",
  exactness: "exact on grids",
  shape: (node, [x]) => pooledShape(node, x!),
  grid(node, [x]) {
    if (!x!.grid || !countsAlike(node)) return undefined;
    const { kernel, pads } = windowOf(node);
    const count = kernel[0] * kernel[1];
    const padded = pads.some((pad) => pad > 0);
    const min = padded ? Math.min(0, x!.grid.min) : x!.grid.min;
    const max = padded ? Math.max(0, x!.grid.max) : x!.grid.max;
    return { step: x!.grid.step / count, min: min * count, max: max * count };
  },
  run(node, [x], [channels, height, width]) {
    const window = windowOf(node);
    const alike = countsAlike(node);
    const plane = x!.shape[1]! * x!.shape[2]!;
    const out = new Float64Array(channels! * height! * width!);
    for (let c = 0, o = 0; c < channels!; c++)
      for (let y = 0; y < height!; y++)
        for (let xx = 0; xx < width!; xx++, o++) {
          let sum = 0;
          let count = 0;
          visitWindow(window, x!.shape, y, xx, (_i, _j, pixel) => {
            if (pixel < 0) return;
            sum += x!.values[c * plane + pixel]!;
            count++;
          });
          out[o] = sum / (alike ? window.kernel[0] * window.kernel[1] : count);
        }
    return out;
  },
};
