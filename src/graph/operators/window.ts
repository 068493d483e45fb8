/** The geometry that convolution and pooling share: windows over [C, H, W]; attributes per axis are [y, x]. */
import { type Node, numbersOf, numbersOr, type Tensor } from "../graph.ts";
import { fail } from "../operator.ts";

export interface Window {
  readonly kernel: readonly [number, number];
  readonly strides: readonly [number, number];
  /** top, left, bottom, right */
  readonly pads: readonly [number, number, number, number];
  readonly dilations: readonly [number, number];
}

/** @param kernel of a convolution, whose weights say it; a pooling has an attribute */
export function windowOf(node: Node, kernel: readonly number[] = numbersOf(node, "kernel")): Window {
  return {
    kernel: [kernel[0]!, kernel[1]!],
    strides: numbersOf(node, "strides") as [number, number],
    pads: numbersOr(node, "pads", [0, 0, 0, 0]) as [number, number, number, number],
    dilations: numbersOr(node, "dilations", [1, 1]) as [number, number],
  };
}

/** Rows and columns of the result; fails where not one window fits. */
export function windowCounts(
  node: Node,
  shape: readonly number[],
  { kernel, strides, pads, dilations }: Window,
): [number, number] {
  const [, height, width] = shape;
  const [rows, columns] = [0, 1].map((axis) => {
    const size = (axis === 0 ? height! : width!) + pads[axis]! + pads[axis + 2]!;
    const reach = (kernel[axis]! - 1) * dilations[axis]! + 1;
    return Math.floor((size - reach) / strides[axis]!) + 1;
  });
  if (!(rows! >= 1 && columns! >= 1)) fail(node, `a ${kernel[0]}x${kernel[1]} kernel does not fit into [${shape}]`);
  return [rows!, columns!];
}

/** The shape of a pooled map; fails where a window would hold nothing but padding. */
export function pooledShape(node: Node, { shape }: Pick<Tensor, "shape">): number[] {
  if (shape.length !== 3) fail(node, `input is [${shape}], expected [channels, height, width]`);
  const window = windowOf(node);
  if (window.pads.some((pad, i) => pad >= window.kernel[i % 2]!))
    fail(node, "its padding is as wide as its window, which leaves windows without a value");
  return [shape[0]!, ...windowCounts(node, shape, window)];
}

/**
 * Visits the elements of one window in row-major order.
 * @param visit gets the kernel's element (i, j) and the pixel's index in its plane, -1 outside the map
 */
export function visitWindow(
  { kernel, strides, pads, dilations }: Window,
  [, height, width]: readonly number[],
  y: number,
  x: number,
  visit: (i: number, j: number, pixel: number) => void,
): void {
  for (let i = 0; i < kernel[0]; i++)
    for (let j = 0; j < kernel[1]; j++) {
      const row = y * strides[0] - pads[0] + i * dilations[0];
      const column = x * strides[1] - pads[1] + j * dilations[1];
      const inside = row >= 0 && row < height! && column >= 0 && column < width!;
      visit(i, j, inside ? row * width! + column : -1);
    }
}
