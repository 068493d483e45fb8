/** Which nodes only look at their input in another way. */
import { type Node, numbersOf, type Tensor } from "../graph/graph.ts";
import type { Grid } from "../graph/grid.ts";
import { elementOf } from "./element.ts";
import { reshapeView, type View, wholeTensor } from "./view.ts";

/**
 * @param base the view that the node's input is
 * @returns the view that its output is; undefined where elements have to be computed or moved
 */
export function viewThrough(node: Node, base: View, input: Tensor, output: Tensor): View | undefined {
  switch (node.op) {
    case "identity":
      return base;
    case "quant":
      return changesNothing(input.grid, output.grid) ? base : undefined;
    case "flatten":
    case "reshape":
      // Where no strides express the new shape, the old dimensions still say where each element lies.
      return reshapeView(base, output.shape) ?? base;
    case "transpose": {
      const whole = inItsShape(base, input);
      const perm = numbersOf(node, "perm");
      return { ...whole, dims: output.shape, strides: perm.map((d) => whole.strides[d]!) };
    }
    case "slice": {
      const whole = inItsShape(base, input);
      const [starts, steps] = [numbersOf(node, "starts"), numbersOf(node, "steps")];
      return {
        root: whole.root,
        offset: whole.strides.reduce((sum, stride, d) => sum + starts[d]! * stride, whole.offset),
        dims: output.shape,
        strides: whole.strides.map((stride, d) => stride * steps[d]!),
      };
    }
    default:
      return undefined;
  }
}

/** A tensor's view with the tensor's own dimensions; where no strides express them in what it is a view of, the tensor itself, stored. */
function inItsShape(base: View, { name, shape }: Tensor): View {
  return reshapeView(base, shape) ?? wholeTensor(name, shape);
}

/** A quantiser of integers that are all its own already, stored in as many bytes. */
function changesNothing(from: Grid | undefined, to: Grid | undefined): boolean {
  if (!from || !to || from.step !== to.step || from.min < to.min || from.max > to.max) return false;
  return elementOf(from).bytes === elementOf(to).bytes;
}
