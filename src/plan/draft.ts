/** Planning in two rounds: drafts say what buffers a layer needs; once memory is placed they become layers. */
import { HedgeError } from "../errors.ts";
import { elementCount, type Graph, type Node, producerOf, type Tensor, tensorOf } from "../graph/graph.ts";
import type { Grid } from "../graph/grid.ts";
import type { Layer, Region, WeightSlice } from "./plan.ts";

/** One page, of which a module has one. */
export const MEMORY_LIMIT = 65536;

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

/** The name of a buffer that is no tensor. Tensors' names hold no tab: import refuses control characters. */
export function bufferName(purpose: string, tensor = ""): string {
  return `${purpose}\t${tensor}`;
}

/** Where the host writes the image. */
export const INPUT_BUFFER = bufferName("input");

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
    const found = node ? `${node.op} "${node.name}"` : tensor === this.graph.input ? "the image" : "a constant";
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
    if (tensor.shape.length !== 3 || elementCount(tensor.shape) > MEMORY_LIMIT)
      return noKernel(
        `Node "${reader.name}" (${reader.op}) reads "${name}", whose shape [${tensor.shape}] is no feature map that fits ${MEMORY_LIMIT} bytes`,
        "Use smaller images or fewer channels.",
      );
    return tensor;
  }

  /** The grid of a tensor that a kernel computes in integers. */
  grid(name: string, reader: Node): Grid {
    return (
      this.tensor(name).grid ??
      noKernel(
        `Node "${reader.name}" (${reader.op}) works on "${name}", which is off the integer grid`,
        "Use Quant nodes with power-of-two scales and pooling windows of a power of two.",
      )
    );
  }

  /** Checks that a quantiser is what kernels end with: rounded down, clipped to exactly the given integers. Returns its step. */
  flooringQuant(node: Node, low: number, high: number): number {
    if (node.attributes.rounding !== "FLOOR")
      noKernel(
        `Node "${node.name}" rounds by ${node.attributes.rounding}, the kernels round down`,
        'Train with rounding_mode "FLOOR" in the activation quantisers of the edge part.',
      );
    const { step, min, max } = this.grid(node.output, node);
    if (min !== low || max !== high)
      noKernel(
        `Node "${node.name}" quantises to ${min} ... ${max}, the kernel to ${low} ... ${high}`,
        `Use 8 bits, ${low < 0 ? "signed" : "unsigned"}, with narrow 0 and a zero point of 0.`,
      );
    return step;
  }
}

export function noKernel(
  message: string,
  remedy = "Compare the model with docs/model-format.md, or train it with tools/train.",
): never {
  throw new HedgeError("input", `${message}.`, remedy);
}
