/** A kernel as the planner sees it: one way to make a tensor. */
import type { Node } from "../graph/graph.ts";
import type { Draft } from "./draft.ts";
import type { Matcher } from "./matcher.ts";

export interface Kernel {
  /** The kind of the layers that it makes. */
  readonly name: string;
  /**
   * @param node makes the tensor that is wanted; the kernel may reach back over as many nodes as it computes at once
   * @returns undefined when this is none of its patterns, so that it has nothing to say about the node
   * @throws HedgeError (by `noKernel`) when it is, but with something that the kernel cannot do
   */
  draft(match: Matcher, node: Node): Draft | undefined;
}
