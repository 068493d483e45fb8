/** Planning in two rounds: drafts say what buffers a layer needs; once memory is placed they become layers. */
import { HedgeError } from "../errors.ts";
import { type Graph, type Node, producerOf, type Tensor, tensorOf } from "../graph/graph.ts";
import type { Layer, Region, WeightSlice } from "./plan.ts";

/** A buffer by name; the same name from several drafts is the same bytes. */
export interface BufferRequest {
  readonly name: string;
  readonly bytes: number;
}

export interface Draft {
  readonly name: string;
  /** Buffers that the layer touches, its scratch area included. */
  readonly buffers: readonly BufferRequest[];
  /** What the layer reads from weights.bin, already packed. */
  readonly weights: Uint8Array;
  /** A stream whose buffer the output may take, or must: then nothing may read the stream later. */
  readonly replaces?: { readonly stream: string; readonly must: boolean } | undefined;
  readonly finish: (region: (name: string) => Region, weights: WeightSlice) => Layer;
}

/** Buffers are read in 8-byte words: a word may begin in a buffer's last byte. */
export const SLACK = 8;

/** Looks around in a graph, and says precisely what does not fit. */
export class Matcher {
  constructor(readonly graph: Graph) {}

  tensor(name: string): Tensor {
    return tensorOf(this.graph, name);
  }

  /** The node that makes a tensor, which must be of the given operator. */
  expect(op: string, tensor: string, reader: Node | undefined): Node {
    const node = producerOf(this.graph, tensor);
    if (node?.op === op) return node;
    const found = node ? `${node.op} "${node.name}"` : "the model's input";
    const where = reader ? `Node "${reader.name}" (${reader.op})` : "The model";
    return noKernel(`${where} reads "${tensor}" from ${found}, where a kernel needs ${op}`);
  }

  /** The node that makes a tensor, if it is of the given operator. */
  maybe(op: string, tensor: string): Node | undefined {
    const node = producerOf(this.graph, tensor);
    return node?.op === op ? node : undefined;
  }

  /** A signed 8-bit tensor: the only kind of stream so far. */
  stream(name: string, reader: Node): Tensor {
    const tensor = this.tensor(name);
    const grid = tensor.grid;
    if (!grid || grid.min < -128 || grid.max > 127)
      return noKernel(
        `Node "${reader.name}" (${reader.op}) reads "${name}", which is not on a signed 8-bit grid`,
        "Put a Quant node of 8 bits with a power-of-two scale behind the node that makes it.",
      );
    return tensor;
  }
}

export function noKernel(
  message: string,
  remedy = "Compare the model with docs/model-format.md, or train it with tools/train.",
): never {
  throw new HedgeError("input", `${message}.`, remedy);
}

/** A rounding shift that floors: the only rounding of the kernels so far. */
export function flooringQuant(node: Node): void {
  if (node.attributes.rounding !== "FLOOR")
    noKernel(
      `Node "${node.name}" rounds by ${node.attributes.rounding}, the kernels round down`,
      'Train with rounding_mode "FLOOR" in the activation quantisers of the edge part.',
    );
}
