/** Nodes, initialisers and names of an ONNX model that is written from a graph. */
import { type Graph, type Node, numberOf, perChannelOf, type Tensor, tensorOf } from "../../graph/graph.ts";
import { type AttributeValue, floats, int64s, node as onnxNode } from "../../import/onnx/build.ts";
import type { OnnxNode, OnnxTensor } from "../../import/onnx/types.ts";

/** Weights that are integers of a step for each of their outputs: written behind a Quant. */
export interface QuantisedConstant {
  readonly bits: number;
  /** One per output, the first axis. */
  readonly scales: readonly number[];
}

/** The sample as the host has it: its dimensions behind the batch, and whether channels come last. */
export interface SampleLayout {
  readonly dims: readonly number[];
  readonly layout?: "HWC" | undefined;
}

export class GraphWriter {
  readonly nodes: OnnxNode[] = [];
  readonly initializers: OnnxTensor[] = [];
  /** The dimensions that the file declares for its input, behind the batch. */
  readonly inputDims: readonly number[];
  readonly #written = new Set<string>();
  /** What nodes read in place of the file's input. */
  readonly #input: string;

  constructor(
    readonly graph: Graph,
    private readonly quantised: ReadonlyMap<string, QuantisedConstant>,
    sample: SampleLayout | undefined,
  ) {
    const { input } = graph;
    const { shape } = tensorOf(graph, input);
    this.inputDims = sample?.dims ?? shape;
    this.#input = input;
    if (this.inputDims.join() === shape.join() && sample?.layout === undefined) return;
    const turned = `${input}.turned`;
    if (sample?.layout === "HWC") this.op("Transpose", [input], turned, { perm: { ints: [0, 3, 1, 2] } });
    else this.op("Reshape", [input, this.batchShape(turned, shape)], turned);
    this.#input = turned;
  }

  op(opType: string, inputs: readonly string[], output: string, attributes: Record<string, AttributeValue> = {}): void {
    const named = inputs.map((name) => (name === this.graph.input ? this.#input : name));
    this.nodes.push(onnxNode(opType, named, [output], attributes));
  }

  floats(name: string, dims: readonly number[], values: ArrayLike<number>): string {
    this.initializers.push(floats(name, dims, values));
    return name;
  }

  int64s(name: string, values: readonly number[]): string {
    this.initializers.push(int64s(name, values));
    return name;
  }

  /** A shape behind a batch of any size. */
  batchShape(name: string, shape: readonly number[]): string {
    return this.int64s(`${name}.shape`, [-1, ...shape]);
  }

  /** A number attribute as a constant. */
  scalar(node: Node, key: string): string {
    return this.floats(`${node.output}.${key}`, [], [numberOf(node, key)]);
  }

  /** A parameter of a quantiser: one value, or one for each channel of its tensor. */
  perChannel(node: Node, key: string): string {
    const values = perChannelOf(node, key);
    const { shape } = tensorOf(this.graph, node.output);
    const dims = values.length === 1 ? [] : [values.length, ...shape.slice(1).map(() => 1)];
    return this.floats(`${node.output}.${key}`, dims, values);
  }

  /** Constants in the shapes that they have in the graph; other tensors by their names. */
  parameters(names: readonly string[]): string[] {
    return names.map((name) => {
      const tensor = tensorOf(this.graph, name);
      return tensor.values ? this.#constant(tensor, tensor.shape) : name;
    });
  }

  /** An operand of arithmetic: constants broadcast from the last axis, and so need axes of one behind their own. */
  operand(name: string, rank: number): string {
    const tensor = tensorOf(this.graph, name);
    if (!tensor.values) return name;
    const rest = new Array<number>(Math.max(0, rank - tensor.shape.length)).fill(1);
    return this.#constant(tensor, tensor.values.length === 1 ? [] : [...tensor.shape, ...rest]);
  }

  #constant({ name, values }: Tensor, dims: readonly number[]): string {
    if (this.#written.has(name)) return name;
    this.#written.add(name);
    const quantised = this.quantised.get(name);
    if (!quantised) return this.floats(name, dims, values!);
    const { bits, scales } = quantised;
    const parameters = [
      this.floats(`${name}.values`, dims, values!),
      this.floats(`${name}.scale`, [scales.length, ...dims.slice(1).map(() => 1)], scales),
      this.floats(`${name}.zero`, [], [0]),
      this.floats(`${name}.bits`, [], [bits]),
    ];
    const attributes = { signed: { int: 1 }, narrow: { int: 0 }, rounding_mode: { string: "ROUND" } };
    this.op("Quant", parameters, name, attributes);
    return name;
  }
}
