/** Row-major indices and per-axis attributes of the operators that move values. */
import { elementCount, type Node, numbersOf, type Tensor } from "../graph.ts";
import { fail } from "../operator.ts";

/** For each element of `shape`, row-major: its coordinates times `strides`, plus `offset`. */
export function indicesOf(shape: readonly number[], strides: readonly number[], offset = 0): Int32Array {
  let indices = Int32Array.of(offset);
  for (const [axis, size] of shape.entries()) {
    const next = new Int32Array(indices.length * size);
    for (let i = 0, o = 0; i < indices.length; i++)
      for (let at = 0; at < size; at++) next[o++] = indices[i]! + at * strides[axis]!;
    indices = next;
  }
  return indices;
}

/** How far apart neighbours along each axis lie. */
export function stridesOf(shape: readonly number[]): number[] {
  return shape.map((_, axis) => elementCount(shape.slice(axis + 1)));
}

/** Reads a list that has one number per axis of x. */
export function listPerAxis(node: Node, key: string, x: Tensor): readonly number[] {
  const list = numbersOf(node, key);
  if (list.length !== x.shape.length)
    fail(node, `${key} has ${list.length} values for an input with ${x.shape.length} dimensions`);
  return list;
}
