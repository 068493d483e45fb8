/**
 * 2-D convolution of [C, H, W] with weights [K, C, kh, kw] and an optional bias [K]; attributes strides [sy, sx] and pads [top, left,
 * bottom, right]. Outside the map lies `padValue`: 0 in ONNX; an explicit Pad in front folds into another value.
 */
import { type Node, numberOf, numbersOf, type Tensor } from "../graph.ts";
import type { Grid } from "../grid.ts";
import { fail, type Operator } from "../operator.ts";

export interface ConvGeometry {
  readonly kernel: readonly [number, number];
  readonly strides: readonly [number, number];
  /** top, left, bottom, right */
  readonly pads: readonly [number, number, number, number];
}

export function convGeometry(node: Node, weightShape: readonly number[]): ConvGeometry {
  const [sy, sx] = numbersOf(node, "strides");
  const [top, left, bottom, right] = numbersOf(node, "pads");
  return { kernel: [weightShape[2]!, weightShape[3]!], strides: [sy!, sx!], pads: [top!, left!, bottom!, right!] };
}

/** The range of each output channel's integer accumulator, from the input's range and the weights' signs. */
export function accumulatorRanges(
  input: Grid,
  weights: Float64Array,
  outputs: number,
  /** What an integer weight of 1 is worth: the accumulator's step over the input's. */
  weightStep: number,
  bias: Float64Array | undefined,
  padInteger: number,
): { min: number; max: number }[] {
  const perOutput = weights.length / outputs;
  const low = Math.min(input.min, padInteger);
  const high = Math.max(input.max, padInteger);
  return Array.from({ length: outputs }, (_, k) => {
    const offset = bias ? bias[k]! / (input.step * weightStep) : 0;
    let min = offset;
    let max = offset;
    for (let i = k * perOutput; i < (k + 1) * perOutput; i++) {
      const w = weights[i]! / weightStep;
      min += w > 0 ? w * low : w * high;
      max += w > 0 ? w * high : w * low;
    }
    return { min, max };
  });
}

/** The grid of x * w + bias, or undefined when an operand is off-grid; the finer of the product's and the bias's steps. */
export function productGrid(x: Tensor, w: Tensor, bias: Tensor | undefined, padValue = 0): Grid | undefined {
  if (!x.grid || !w.grid || !w.values || (bias && !bias.grid)) return undefined;
  const product = x.grid.step * w.grid.step;
  const biasIsZero = bias?.grid?.min === 0 && bias.grid.max === 0;
  const step = bias && !biasIsZero ? Math.min(product, bias.grid!.step) : product;
  const pad = padValue / x.grid.step;
  if (!Number.isInteger(pad)) return undefined;
  const ranges = accumulatorRanges(x.grid, w.values, w.shape[0]!, step / x.grid.step, bias?.values, pad);
  return { step, min: Math.min(...ranges.map((r) => r.min)), max: Math.max(...ranges.map((r) => r.max)) };
}

export const conv: Operator = {
  op: "conv",
  exactness: "exact on grids",
  shape(node, [x, w, bias]) {
    if (x!.shape.length !== 3) fail(node, `input is [${x!.shape}], expected [channels, height, width]`);
    if (w!.shape.length !== 4) fail(node, `weights are [${w!.shape}], expected [outputs, inputs, height, width]`);
    if (w!.shape[1] !== x!.shape[0])
      fail(node, `weights expect ${w!.shape[1]} input channels, the input has ${x!.shape[0]}`);
    if (bias && bias.shape[0] !== w!.shape[0])
      fail(node, `bias has ${bias.shape[0]} values for ${w!.shape[0]} output channels`);
    const { kernel, strides, pads } = convGeometry(node, w!.shape);
    const height = Math.floor((x!.shape[1]! + pads[0] + pads[2] - kernel[0]) / strides[0]) + 1;
    const width = Math.floor((x!.shape[2]! + pads[1] + pads[3] - kernel[1]) / strides[1]) + 1;
    if (height < 1 || width < 1) fail(node, `a ${kernel[0]}x${kernel[1]} kernel does not fit into [${x!.shape}]`);
    return [w!.shape[0]!, height, width];
  },
  grid: (node, [x, w, bias]) => productGrid(x!, w!, bias, numberOf(node, "padValue")),
  run(node, [x, w, bias], [outputs, height, width]) {
    const [channels, inHeight, inWidth] = x!.shape as [number, number, number];
    const { kernel, strides, pads } = convGeometry(node, w!.shape);
    const padValue = numberOf(node, "padValue");
    const out = new Float64Array(outputs! * height! * width!);
    for (let k = 0; k < outputs!; k++)
      for (let y = 0; y < height!; y++)
        for (let xx = 0; xx < width!; xx++) {
          let sum = bias ? bias.values[k]! : 0;
          for (let c = 0; c < channels; c++)
            for (let i = 0; i < kernel[0]; i++)
              for (let j = 0; j < kernel[1]; j++) {
                const row = y * strides[0] + i - pads[0];
                const column = xx * strides[1] + j - pads[1];
                const inside = row >= 0 && row < inHeight && column >= 0 && column < inWidth;
                const value = inside ? x!.values[(c * inHeight + row) * inWidth + column]! : padValue;
                sum += value * w!.values[((k * channels + c) * kernel[0] + i) * kernel[1] + j]!;
              }
          out[(k * height! + y) * width! + xx] = sum;
        }
    return out;
  },
};
