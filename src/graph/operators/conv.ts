/**
 * 2-D convolution of [C, H, W] with weights [K, C / group, kh, kw] and an optional bias [K]; attributes strides and dilations [y, x],
 * pads [top, left, bottom, right] and group: outputs k with the same floor(k * group / K) see the same C / group input channels.
 * Outside the map lies `padValue`: 0 in ONNX; an explicit Pad in front folds into another value.
 */
import { type Node, numberOf, numberOr } from "../graph.ts";
import { fail, type Operator } from "../operator.ts";
import { productGrid } from "./product-grid.ts";
import { visitWindow, type Window, windowCounts, windowOf } from "./window.ts";

export interface ConvGeometry extends Window {
  readonly group: number;
}

export function convGeometry(node: Node, weightShape: readonly number[]): ConvGeometry {
  return { ...windowOf(node, weightShape.slice(2)), group: numberOr(node, "group", 1) };
}

export const conv: Operator = {
  op: "conv",
  exactness: "exact on grids",
  shape(node, [x, w, bias]) {
    if (x!.shape.length !== 3) fail(node, `input is [${x!.shape}], expected [channels, height, width]`);
    if (w!.shape.length !== 4) fail(node, `weights are [${w!.shape}], expected [outputs, inputs, height, width]`);
    const [outputs, inputs] = w!.shape as [number, number];
    const geometry = convGeometry(node, w!.shape);
    if (outputs % geometry.group !== 0) fail(node, `${outputs} outputs do not divide into ${geometry.group} groups`);
    if (inputs * geometry.group !== x!.shape[0])
      fail(node, `weights expect ${inputs * geometry.group} input channels, the input has ${x!.shape[0]}`);
    if (bias && (bias.shape.length !== 1 || bias.shape[0] !== outputs))
      fail(node, `bias has ${bias.shape[0]} values for ${outputs} output channels`);
    return [outputs, ...windowCounts(node, x!.shape, geometry)];
  },
  grid(node, [x, w, bias]) {
    const padded = convGeometry(node, w!.shape).pads.some((pad) => pad > 0);
    return productGrid(x!, w!, bias, padded ? numberOf(node, "padValue") : undefined);
  },
  run(node, [x, w, bias], [outputs, height, width]) {
    const geometry = convGeometry(node, w!.shape);
    const padValue = numberOf(node, "padValue");
    const plane = x!.shape[1]! * x!.shape[2]!;
    const inputs = w!.shape[1]!;
    const [kh, kw] = geometry.kernel;
    const out = new Float64Array(outputs! * height! * width!);
    for (let k = 0, o = 0; k < outputs!; k++) {
      const first = Math.floor((k * geometry.group) / outputs!) * inputs;
      for (let y = 0; y < height!; y++)
        for (let xx = 0; xx < width!; xx++, o++) {
          let sum = bias ? bias.values[k]! : 0;
          for (let c = 0; c < inputs; c++)
            visitWindow(geometry, x!.shape, y, xx, (i, j, pixel) => {
              const value = pixel < 0 ? padValue : x!.values[(first + c) * plane + pixel]!;
              sum += value * w!.values[((k * inputs + c) * kh + i) * kw + j]!;
            });
          out[o] = sum;
        }
    }
    return out;
  },
};
