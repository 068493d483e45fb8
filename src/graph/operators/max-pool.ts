/** The largest value of each window [kh, kw] at `strides`; padding does not count. */
import type { Operator } from "../operator.ts";
import { pooledShape, visitWindow, windowOf } from "./window.ts";

export const maxPool: Operator = {
  op: "maxPool",
  exactness: "exact on grids",
  shape: (node, [x]) => pooledShape(node, x!),
  grid: (_node, [x]) => x!.grid,
  run(node, [x], [channels, height, width]) {
    const window = windowOf(node);
    const plane = x!.shape[1]! * x!.shape[2]!;
    const out = new Float64Array(channels! * height! * width!).fill(Number.NEGATIVE_INFINITY);
    for (let c = 0, o = 0; c < channels!; c++)
      for (let y = 0; y < height!; y++)
        for (let xx = 0; xx < width!; xx++, o++)
          visitWindow(window, x!.shape, y, xx, (_i, _j, pixel) => {
            if (pixel >= 0) out[o] = Math.max(out[o]!, x!.values[c * plane + pixel]!);
          });
    return out;
  },
};
