/**
 * What stands between a layer's root (a convolution, a pooling, a sum) and the tensor that the layer stores: per channel an affine map,
 * perhaps with another stored tensor in it, then one quantiser.
 */
import { type Graph, type Node, producerOf, type Tensor, tensorOf } from "../graph/graph.ts";
import { factorTo, type Grid, integerOf, multipleOf } from "../graph/grid.ts";
import { noKernel } from "./draft.ts";

/** Operators that end a chain. */
export const QUANTISERS: ReadonlySet<string> = new Set(["quant", "requant", "threshold"]);

/** n[k] = multiplier[k] * r + offset[k] + factor[k] * s, of the root's integer r and the shortcut's integer s, in units of `step`. */
export interface Affine {
  /** What the layer computes first; of a map that begins with a stored tensor: what made that. */
  readonly root: Node;
  readonly step: number;
  readonly multiplier: readonly number[];
  readonly offset: readonly number[];
  readonly shortcut?: { readonly tensor: Tensor; readonly factor: readonly number[] };
}

export interface Chain extends Affine {
  /** Absent where a tensor is stored as it is computed. */
  readonly quantiser: Node | undefined;
  readonly output: Tensor;
}

/**
 * Reads the graph backwards from a stored tensor.
 * @param end the node that makes the stored tensor
 * @param isRoot whether a node is what the layer computes first
 * @returns undefined when the way back leads to no such node
 * @throws HedgeError when it does, but over something that is no integer
 */
export function readChain(graph: Graph, end: Node, isRoot: (node: Node) => boolean): Chain | undefined {
  const quantiser = QUANTISERS.has(end.op) ? end : undefined;
  const output = tensorOf(graph, end.output);
  const affine = new Walk(graph, isRoot, output.shape[0]!).back(quantiser ? quantiser.inputs[0]! : end.output);
  return affine && { ...affine, quantiser, output };
}

/** The map from a stored tensor to one that follows from it, perhaps with another stored one; undefined when that is no affine map. */
export function readAffine(graph: Graph, from: string, to: string): Affine | undefined {
  return new Walk(graph, () => false, tensorOf(graph, to).shape[0]!, from).back(to);
}

class Walk {
  constructor(
    private readonly graph: Graph,
    private readonly isRoot: (node: Node) => boolean,
    private readonly channels: number,
    private readonly stored?: string,
  ) {}

  back(name: string): Affine | undefined {
    const node = producerOf(this.graph, name);
    if (name === this.stored) {
      const root = node ?? { name, op: "input", inputs: [], output: name, attributes: {} };
      return { root, step: this.stepOf(name, root), multiplier: this.all(1), offset: this.all(0) };
    }
    if (!node) return undefined;
    if (this.isRoot(node))
      return { root: node, step: this.stepOf(name, node), multiplier: this.all(1), offset: this.all(0) };
    if (node.op !== "mul" && node.op !== "add" && node.op !== "sub") return undefined;
    const [a, b] = node.inputs.map((input) => tensorOf(this.graph, input)) as [Tensor, Tensor];
    // A sum may have a way to a root on both sides: the first is the layer's own, the second must have been stored.
    const left = a.values ? undefined : this.back(a.name);
    if (left) return this.with(node, left, b, 1, node.op === "sub" ? -1 : 1);
    const right = b.values ? undefined : this.back(b.name);
    return right && this.with(node, right, a, node.op === "sub" ? -1 : 1, 1);
  }

  /** The node applied to a chain so far and another operand, each with its sign in a sum. */
  private with(node: Node, chain: Affine, other: Tensor, chainSign: number, otherSign: number): Affine | undefined {
    if (other.values && !other.grid)
      noKernel(
        `Node "${node.name}" (${node.op}) has the constant "${other.name}", which is off the integer grid`,
        "Quantise it, or put a quantiser behind the node so that both fold into one.",
        "H402",
      );
    if (node.op === "mul") return this.scaled(node, chain, other);
    const step = this.stepOf(node.output, node);
    const ratio = chainSign * (multipleOf(chain.step, step) ?? this.noMultiple(chain.step, step, node));
    const times = (values: readonly number[]): number[] => values.map((v) => v * ratio);
    const offset = times(chain.offset);
    const shortcut = chain.shortcut && { ...chain.shortcut, factor: times(chain.shortcut.factor) };
    const base = { root: chain.root, step, multiplier: times(chain.multiplier) };
    if (other.values) {
      const constants = this.integers(other, step, node).map((n) => n * otherSign);
      return { ...base, offset: offset.map((v, k) => v + constants[k]!), ...(shortcut && { shortcut }) };
    }
    if (shortcut) return undefined;
    const factor = this.all(otherSign * this.ratio(this.gridOf(other.name, node), step, node));
    return { ...base, offset, shortcut: { tensor: other, factor } };
  }

  private scaled(node: Node, chain: Affine, other: Tensor): Affine | undefined {
    if (!other.values) return undefined;
    // A product by one constant may keep its integers on a step of its own.
    const step = this.stepOf(node.output, node);
    const factors = this.perChannel(other, node).map((value) => {
      const factor = Math.round((chain.step * value) / step);
      return multipleOf(Math.abs(chain.step * value), step) === Math.abs(factor) || value === 0
        ? factor
        : this.noMultiple(chain.step * value, step, node);
    });
    const times = (values: readonly number[]): number[] => values.map((v, k) => v * factors[k]!);
    return {
      root: chain.root,
      step,
      multiplier: times(chain.multiplier),
      offset: times(chain.offset),
      ...(chain.shortcut && { shortcut: { ...chain.shortcut, factor: times(chain.shortcut.factor) } }),
    };
  }

  /** A constant's integers in units of `step`, one per channel. */
  private integers(constant: Tensor, step: number, node: Node): number[] {
    const ratio = this.ratio(constant.grid!, step, node);
    return this.perChannel(constant, node).map((value) => integerOf(value, constant.grid!) * ratio);
  }

  private perChannel(constant: Tensor, node: Node): number[] {
    const values = constant.values!;
    if (values.length !== 1 && values.length !== this.channels)
      noKernel(`Node "${node.name}" (${node.op}) has a constant that differs inside a channel`);
    return this.all(0).map((_, k) => values[values.length === 1 ? 0 : k]!);
  }

  private stepOf(name: string, node: Node): number {
    return this.gridOf(name, node).step;
  }

  private gridOf(name: string, node: Node): Grid {
    return (
      tensorOf(this.graph, name).grid ??
      noKernel(
        `Node "${node.name}" (${node.op}) works on "${name}", which is off the integer grid`,
        "Put a quantiser in front of it.",
        "H402",
      )
    );
  }

  private ratio(grid: Grid, fine: number, node: Node): number {
    return factorTo(grid, fine) ?? this.noMultiple(grid.step, fine, node);
  }

  private noMultiple(coarse: number, fine: number, node: Node): never {
    return noKernel(
      `Node "${node.name}" (${node.op}) joins steps of ${coarse} and ${fine}, none of which is a multiple of the other`,
      "Give both operands one scale.",
      "H402",
    );
  }

  private all(value: number): number[] {
    return new Array<number>(this.channels).fill(value);
  }
}
