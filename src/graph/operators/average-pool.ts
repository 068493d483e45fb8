/** Average over windows of `kernel` [kh, kw] at `strides`, without padding; on grids when the window has a power of two of elements. */
import { numbersOf } from "../graph.ts";
import { isPowerOfTwo } from "../grid.ts";
import { fail, type Operator } from "../operator.ts";

export const averagePool: Operator = {
  op: "averagePool",
  exactness: "exact on grids",
  shape(node, [x]) {
    const [kh, kw] = numbersOf(node, "kernel");
    const [sy, sx] = numbersOf(node, "strides");
    if (x!.shape.length !== 3) fail(node, `input is [${x!.shape}], expected [channels, height, width]`);
    const [channels, height, width] = x!.shape as [number, number, number];
    if (kh! > height || kw! > width) fail(node, `a ${kh}x${kw} window does not fit into [${x!.shape}]`);
    return [channels, Math.floor((height - kh!) / sy!) + 1, Math.floor((width - kw!) / sx!) + 1];
  },
  grid(node, [x]) {
    const [kh, kw] = numbersOf(node, "kernel");
    const count = kh! * kw!;
    if (!x!.grid || !isPowerOfTwo(count)) return undefined;
    return { step: x!.grid.step / count, min: x!.grid.min * count, max: x!.grid.max * count };
  },
  run(node, [x], [channels, height, width]) {
    const [kh, kw] = numbersOf(node, "kernel") as [number, number];
    const [sy, sx] = numbersOf(node, "strides") as [number, number];
    const [, inHeight, inWidth] = x!.shape as [number, number, number];
    const out = new Float64Array(channels! * height! * width!);
    for (let c = 0; c < channels!; c++)
      for (let y = 0; y < height!; y++)
        for (let xx = 0; xx < width!; xx++) {
          let sum = 0;
          for (let i = 0; i < kh; i++)
            for (let j = 0; j < kw; j++) sum += x!.values[(c * inHeight + y * sy + i) * inWidth + xx * sx + j]!;
          out[(c * height! + y) * width! + xx] = sum / (kh * kw);
        }
    return out;
  },
};
