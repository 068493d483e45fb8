/** The largest value of each window [kh, kw] at `strides`; padding does not count. */
import { fail, type Operator } from "../operator.ts";
import { visitWindow, windowCounts, windowOf } from "./window.ts";

export const maxPool: Operator = {
  op: "maxPool",
  exactness: "exact on grids",
  shape(node, [x]) {
    if (x!.shape.length !== 3) fail(node, `input is [${x!.shape}], expected [channels, height, width]`);
    const window = windowOf(node);
    if (window.pads.some((pad, i) => pad >= window.kernel[i % 2]!))
      fail(node, "its padding is as wide as its window, which leaves windows without a value");
    return [x!.shape[0]!, ...windowCounts(node, x!.shape, window)];
  },
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
