/** What an operator's import function works with: the graph under construction, how tensors lie in it, and constants. */
import { GraphBuilder } from "../graph/build.ts";
import type { Attributes, Tensor } from "../graph/graph.ts";
import type { Grid } from "../graph/grid.ts";
import { ShapeError } from "../graph/operator.ts";
import { broadcastDims, broadcastIndices, type Constant, commonValue, gathered } from "./constant.ts";
import { asStored, graphShape, inOrder, positionsOf, transposition, type View } from "./layout.ts";
import { nodeTitle } from "./onnx/attributes.ts";
import type { OnnxNode } from "./onnx/types.ts";
import { Unsupported } from "./onnx/unsupported.ts";

export interface ContextOptions {
  /** Names the model in errors. */
  readonly file: string;
  /** Version of the standard operators. */
  readonly opset: number;
  /** Tensors that the model gives out. */
  readonly outputs: ReadonlySet<string>;
  /** Every tensor's name in the file: nothing else may be called so. */
  readonly names: ReadonlySet<string>;
}

/** A slice of a tensor of the graph, per axis of it. */
export interface Cut {
  readonly source: string;
  readonly starts: readonly number[];
  readonly ends: readonly number[];
  readonly steps: readonly number[];
}

export class ImportContext {
  readonly constants = new Map<string, Constant>();
  readonly views = new Map<string, View>();
  readonly builder: GraphBuilder;
  /** Tensors of the graph that QuantizeLinear makes: of what, and how. */
  readonly quantized = new Map<string, { readonly source: string; readonly attributes: Attributes }>();
  /** Tensors of the graph that slices make. */
  readonly slices = new Map<string, Cut>();
  /** Elements of the constants that were computed so far. */
  folded = 0;
  /** Views that were put in order, by what they show. */
  readonly #settled = new Map<string, string>();

  constructor(
    graphName: string,
    readonly options: ContextOptions,
  ) {
    this.builder = new GraphBuilder(graphName);
  }

  /** The model's input; `perm` as in a view, from how the host stores a sample to what the file declares. */
  input(name: string, stored: readonly number[], perm: readonly number[], grid?: Grid): void {
    this.builder.input(name, graphShape(stored), grid);
    this.views.set(name, { tensor: name, stored, perm, dims: perm.map((axis) => stored[axis]!) });
  }

  /**
   * Adds the graph node that stands for an ONNX node.
   * @param view how its result shows as the ONNX node's first output
   */
  emit(
    onnx: OnnxNode,
    op: string,
    inputs: readonly string[],
    attributes: Attributes,
    view: Omit<View, "tensor">,
  ): void {
    const output = onnx.output[0]!;
    // A tensor of the graph bears a name of the file only where it holds the same elements in the same order.
    const tensor = inOrder(view) ? output : this.freeName(`${output}.stored`);
    this.#add(op, inputs, tensor, attributes, onnx.name || tensor);
    const { name: _, ...shown } = view;
    this.views.set(output, { ...shown, tensor });
  }

  /** As `emit`, for a node whose result is a map: in the graph's layout, with as many dimensions in the file as its input has. */
  emitMap(onnx: OnnxNode, op: string, inputs: readonly string[], attributes: Attributes, input: View): void {
    const output = onnx.output[0]!;
    this.#add(op, inputs, output, attributes, onnx.name || output);
    const [channels, height, width] = this.builder.tensor(output).shape as [number, number, number];
    const dims = input.dims.length === 3 ? [1, channels, width] : [1, channels, height, width];
    this.views.set(output, asStored(output, dims, input.units));
  }

  /** Adds a graph node that has no counterpart in the file; returns its tensor. */
  helper(op: string, inputs: readonly string[], attributes: Attributes, name: string): string {
    const tensor = this.freeName(name);
    this.#add(op, inputs, tensor, attributes, tensor);
    return tensor;
  }

  #add(op: string, inputs: readonly string[], output: string, attributes: Attributes, name: string): void {
    try {
      this.builder.node(op, inputs, output, attributes, name);
    } catch (error) {
      if (!(error instanceof ShapeError)) throw error;
      throw new Unsupported(error.reason, "Correct the shapes in the model.", "H203");
    }
  }

  freeName(name: string): string {
    let free = name;
    while (this.builder.has(free) || this.options.names.has(free)) free += "'";
    return free;
  }

  /** A constant input by position. */
  constant(onnx: OnnxNode, position: number, role: string): Constant {
    const constant = this.constants.get(onnx.input[position] ?? "");
    if (!constant)
      throw new Unsupported(`its ${role} is not a constant`, `Export the model with a constant ${role}.`, "H205");
    if (constant.data.length === 0) throw new Unsupported(`its ${role} is empty`, "Export the model again.", "H205");
    return constant;
  }

  /** A constant that holds one value. */
  scalar(onnx: OnnxNode, position: number, role: string): number {
    const value = commonValue(this.constant(onnx, position, role).data);
    if (value === undefined)
      throw new Unsupported(`its ${role} has several values`, `Use one ${role} for the whole tensor.`);
    return value;
  }

  /** A constant input that is a list of whole numbers, or undefined where it is left out. */
  integers(onnx: OnnxNode, position: number, role: string): number[] | undefined {
    if (!onnx.input[position]) return undefined;
    const constant = this.constants.get(onnx.input[position]);
    if (!constant)
      throw new Unsupported(`its ${role} are not constant`, `Export the model with constant ${role}.`, "H205");
    const values = [...constant.data];
    if (constant.dims.length > 1 || !values.every(Number.isSafeInteger))
      throw new Unsupported(`its ${role} are no list of whole numbers`, "Export the model again.", "H205");
    return values;
  }

  /** Adds a constant under this name or, where another node uses the name for another view of the same data, a longer one. */
  addConstant(name: string, shape: readonly number[], values: Float64Array, grid?: Grid): string {
    for (let free = name; ; free += "'") {
      if (!this.constants.has(free) && this.options.names.has(free)) continue;
      const known: Tensor | undefined = this.builder.has(free) ? this.builder.tensor(free) : undefined;
      if (known === undefined) return this.builder.constant(free, shape, values, grid);
      const same =
        known.shape.join() === shape.join() &&
        (grid === undefined || known.grid?.step === grid.step) &&
        known.values?.every((v, i) => Object.is(v, values[i]));
      if (same) return free;
    }
  }

  /** An input that is computed from the sample, whatever it stands for. */
  view(onnx: OnnxNode, position: number): View {
    const name = onnx.input[position] ?? "";
    if (this.constants.has(name))
      throw new Unsupported(`its input ${position} is a constant`, "Fold constant arithmetic before exporting.");
    const view = this.views.get(name);
    if (!view) throw new Unsupported(`nothing makes its input "${name}"`, "Give the model one input.", "H206");
    return view;
  }

  /** As `view`, of numbers with which an operator may calculate. */
  activation(onnx: OnnxNode, position: number): View {
    const view = this.view(onnx, position);
    if (view.units)
      throw new Unsupported(
        `its input "${onnx.input[position]}" holds quantised integers`,
        "Put a DequantizeLinear in front of it.",
      );
    return view;
  }

  /** The view with its elements in order and its tensor in the shape of its dimensions: nodes are added where that takes some. */
  settled(view: View): View {
    let { tensor } = view;
    if (!inOrder(view)) {
      const { from, to, perm } = transposition(view);
      const last = to.join() === graphShape(view.dims).join();
      tensor = this.#once(this.shaped(tensor, from), "transpose", { perm }, last ? view.name : undefined);
    }
    return { ...view, ...asStored(this.shaped(tensor, graphShape(view.dims), view.name), view.dims) };
  }

  /**
   * The tensor itself, or its elements in another shape.
   * @param name of the result, where it holds a tensor of the file
   */
  shaped(tensor: string, shape: readonly number[], name?: string): string {
    if (this.builder.tensor(tensor).shape.join() === shape.join()) return tensor;
    return shape.length === 1
      ? this.#once(tensor, "flatten", {}, name)
      : this.#once(tensor, "reshape", { shape }, name);
  }

  /** A node that is made at most once. */
  #once(tensor: string, op: string, attributes: Attributes, name: string | undefined): string {
    const key = JSON.stringify([tensor, op, attributes]);
    let made = this.#settled.get(key);
    if (made === undefined) {
      made = name === undefined || this.builder.has(name) ? this.freeName(`${tensor}.${op}`) : name;
      this.#add(op, [tensor], made, attributes, made);
      this.#settled.set(key, made);
    }
    return made;
  }

  /**
   * A constant as the second operand of a view's tensor: a single value, one per channel of the tensor, or else one per element.
   * @param dims its dimensions, as they broadcast to the view's
   */
  aligned(view: View, constant: Constant, dims = constant.dims): Constant {
    const { data, steps = [] } = constant;
    const repeats = broadcastDims(view.dims, dims).join() === view.dims.join();
    if (repeats && commonValue(data) !== undefined && commonValue(steps) === steps[0])
      return gathered(constant, [1], [0]);
    const { shape } = this.builder.tensor(view.tensor);
    const indices = broadcastIndices(dims, view.dims);
    const lying = new Int32Array(indices.length);
    for (const [i, position] of positionsOf(view).entries()) lying[position] = indices[i]!;
    const perChannel = lying.length / shape[0]!;
    const alike = lying.every((index, i) => index === lying[i - (i % perChannel)]);
    if (!alike) return gathered(constant, shape, lying);
    const first = Array.from({ length: shape[0]! }, (_, c) => lying[c * perChannel]!);
    return gathered(constant, [shape[0]!], first);
  }
}

export function describe(node: OnnxNode): string {
  const domain = node.domain && node.domain !== "ai.onnx" ? `${node.domain}::` : "";
  return `${domain}${nodeTitle(node)}`;
}
