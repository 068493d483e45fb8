/** Constant padding of [C, H, W]; `before` and `after` count elements per dimension. */
import { numberOf, numbersOf } from "../graph.ts";
import { fail, type Operator } from "../operator.ts";

export const pad: Operator = {
  op: "pad",
  exactness: "exact on grids",
  shape(node, [x]) {
    const before = numbersOf(node, "before");
    const after = numbersOf(node, "after");
    if (before.length !== x!.shape.length)
      fail(node, `pads ${before.length} dimensions of an input with ${x!.shape.length}`);
    return x!.shape.map((n, i) => n + before[i]! + after[i]!);
  },
  grid(node, [x]) {
    const value = x!.grid && numberOf(node, "value") / x!.grid.step;
    if (!x!.grid || !Number.isInteger(value)) return undefined;
    return { step: x!.grid.step, min: Math.min(x!.grid.min, value!), max: Math.max(x!.grid.max, value!) };
  },
  run(node, [x], shape) {
    const [channels, height, width] = shape as [number, number, number];
    const [c0, y0, x0] = numbersOf(node, "before") as [number, number, number];
    const [inChannels, inHeight, inWidth] = x!.shape as [number, number, number];
    const out = new Float64Array(channels * height * width).fill(numberOf(node, "value"));
    for (let c = 0; c < inChannels; c++)
      for (let y = 0; y < inHeight; y++)
        for (let xx = 0; xx < inWidth; xx++)
          out[((c + c0) * height + y + y0) * width + xx + x0] = x!.values[(c * inHeight + y) * inWidth + xx]!;
    return out;
  },
};
