/** Kernels, strides and padding of convolutions and poolings, as ONNX writes them, for maps and signals. */
import type { Window } from "../../graph/operators/window.ts";
import { intsAttribute, stringAttribute } from "../onnx/attributes.ts";
import type { OnnxNode } from "../onnx/types.ts";
import { Unsupported } from "../onnx/unsupported.ts";

/** Largest stride, dilation, kernel or padding: beyond any map that fits a device. */
const MAX_SIZE = 1 << 12;

/** A list of `count` whole numbers of at least `least`. */
export function sizes(
  onnx: OnnxNode,
  name: string,
  fallback: readonly number[],
  count: number,
  least: number,
): number[] {
  const values = intsAttribute(onnx, name, [...fallback]);
  if (values.length !== count || values.some((n) => n < least || n > MAX_SIZE))
    throw new Unsupported(
      `its ${name} are [${values}]`,
      `Give ${count} numbers from ${least} to ${MAX_SIZE}, as many as there are axes of pixels.`,
    );
  return values;
}

/**
 * The window of a node over a map or signal.
 * @param kernel per axis of pixels, one or two
 * @param shape of the input in the graph, [C, H, W]
 */
export function readWindow(onnx: OnnxNode, kernel: readonly number[], shape: readonly number[]): Window {
  const axes = kernel.length;
  const ones = kernel.map(() => 1);
  const strides = sizes(onnx, "strides", ones, axes, 1);
  const dilations = sizes(onnx, "dilations", ones, axes, 1);
  const pixels = shape.slice(3 - axes);
  const pads = readPads(onnx, { kernel, strides, dilations, pixels });
  const pair = (values: readonly number[], filler: number) =>
    [...(axes === 1 ? [filler] : []), ...values] as [number, number];
  return {
    kernel: pair(kernel, 1),
    strides: pair(strides, 1),
    dilations: pair(dilations, 1),
    pads: [...pair(pads.slice(0, axes), 0), ...pair(pads.slice(axes), 0)],
  };
}

interface Axes {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly pixels: readonly number[];
}

/** Pads in front of all axes, then behind all. */
function readPads(onnx: OnnxNode, axes: Axes): number[] {
  const mode = stringAttribute(onnx, "auto_pad", "NOTSET");
  const count = axes.kernel.length;
  if (mode === "NOTSET") return sizes(onnx, "pads", new Array(2 * count).fill(0), 2 * count, 0);
  if (mode === "VALID") return new Array(2 * count).fill(0);
  if (mode !== "SAME_UPPER" && mode !== "SAME_LOWER")
    throw new Unsupported(`its auto_pad is "${mode}"`, "Use NOTSET, VALID, SAME_UPPER or SAME_LOWER.");
  // ONNX: as many windows as strides go into the map; an odd element of padding goes behind (UPPER) or in front (LOWER).
  const totals = axes.pixels.map((size, i) => {
    const stride = axes.strides[i]!;
    const reach = (axes.kernel[i]! - 1) * axes.dilations[i]! + 1;
    return Math.max(0, (Math.ceil(size / stride) - 1) * stride + reach - size);
  });
  const lesser = totals.map((total) => Math.floor(total / 2));
  const greater = totals.map((total, i) => total - lesser[i]!);
  return mode === "SAME_UPPER" ? [...lesser, ...greater] : [...greater, ...lesser];
}
