/** Shape and index helpers for operators whose second input is a scalar, one value per channel, or of the same shape. */
import { elementCount, type Node, perChannelOf, type Tensor } from "../graph.ts";
import { fail } from "../operator.ts";

/** The shape of a binary operator: the larger operand's, onto which the other broadcasts by channel or as a scalar. */
export function broadcastShape(node: Node, [a, b]: readonly Tensor[]): readonly number[] {
  const [large, small] = elementCount(a!.shape) >= elementCount(b!.shape) ? [a!, b!] : [b!, a!];
  const size = elementCount(small.shape);
  const sameShape = small.shape.length === large.shape.length && small.shape.every((n, i) => n === large.shape[i]);
  const perChannel = size === large.shape[0] && (small.shape.length === 1 || small.shape[0] === size);
  if (!sameShape && !perChannel && size !== 1)
    fail(node, `shapes [${a!.shape}] and [${b!.shape}] do not broadcast; one must be per channel or a single value`);
  return large.shape;
}

/** For an element index of `shape`: the index into an operand that has `size` elements. */
export function operandIndex(shape: readonly number[], size: number): (index: number) => number {
  const total = elementCount(shape);
  if (size === total) return (index) => index;
  if (size === 1) return () => 0;
  const perChannel = total / size;
  return (index) => Math.floor(index / perChannel);
}

/** Fails unless the attribute is one number, or one per channel of x. */
export function checkPerChannel(node: Node, x: Tensor, key: string): void {
  const count = perChannelOf(node, key).length;
  if (count !== 1 && count !== x.shape[0]) fail(node, `${count} values of ${key} for ${x.shape[0]} channels`);
}
