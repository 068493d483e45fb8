/** What kernels ask about a graph, with refusals that name the node. */
import { elementCount, type Graph, type Node, type Tensor, tensorOf } from "../graph/graph.ts";
import { bitsOf, type Grid, isPowerOfTwo } from "../graph/grid.ts";
import { type BufferRequest, INPUT_BUFFER, noKernel, SLACK } from "./draft.ts";
import { type Element, elementOf } from "./element.ts";
import { isStored, rowMajorStrides, storageStrides, type View, wholeTensor } from "./view.ts";
import { viewThrough } from "./view-through.ts";

/** Elements of the largest tensor that kernels look at: four pages of bytes. */
const MAX_ELEMENTS = 4 * 65536;

/** How the host writes an image: plane by plane, or pixel by pixel. */
export type InputLayout = "CHW" | "HWC";

/** How a tensor's integers are stored. */
export interface Storage extends Element {
  readonly shape: readonly number[];
  readonly grid: Grid;
}

/** Looks around in a graph, and says precisely what does not fit. */
export class Matcher {
  readonly #producers: ReadonlyMap<string, Node>;
  readonly #readers = new Map<string, Node[]>();
  readonly #views = new Map<string, View>();

  constructor(
    readonly graph: Graph,
    readonly inputLayout: InputLayout = "CHW",
  ) {
    this.#producers = new Map(graph.nodes.map((node) => [node.output, node]));
    for (const node of graph.nodes)
      for (const input of new Set(node.inputs)) {
        const known = this.#readers.get(input);
        if (known) known.push(node);
        else this.#readers.set(input, [node]);
      }
    // In order, so that a long chain of views needs no deep recursion.
    this.#views.set(graph.input, this.#inputView());
    for (const node of graph.nodes) this.#views.set(node.output, this.#viewOf(node));
  }

  /** The node that makes a tensor; undefined for the input and for constants. */
  producer(tensor: string): Node | undefined {
    return this.#producers.get(tensor);
  }

  /** The nodes that read a tensor. */
  readers(tensor: string): readonly Node[] {
    return this.#readers.get(tensor) ?? [];
  }

  /** Where a tensor's elements lie: in itself, or in the tensor or the input of which it is a view. */
  view(tensor: string): View {
    return this.#views.get(tensor) ?? wholeTensor(tensor, this.tensor(tensor).shape);
  }

  /**
   * The buffer that is meant by a name: a tensor's own, unless it lies as stored in another's; what is no tensor is a buffer itself.
   * The offset is in elements.
   */
  bufferOf(name: string): { readonly root: string; readonly offset: number } {
    const tensor = this.graph.tensors.get(name);
    const view = tensor && this.view(name);
    return view && isStored(view, tensor.shape) ? view : { root: name, offset: 0 };
  }

  /** A buffer request for the tensor, or for the input, that a view lies in. */
  request(root: string): BufferRequest {
    const tensor = root === INPUT_BUFFER ? this.graph.input : root;
    const { shape, bytes } = this.storage(tensor, this.producer(tensor));
    return { name: root, bytes: elementCount(shape) * bytes + SLACK };
  }

  /** How a tensor is stored: in as few bytes as its grid needs. */
  storage(name: string, reader: Node | undefined): Storage {
    const { shape, grid } = this.tensor(name);
    const who = reader ? `Node "${reader.name}" (${reader.op})` : "The model";
    if (!grid)
      return noKernel(
        `${who} works on "${name}", which is off the integer grid`,
        "Put a Quant node behind the node that makes it.",
        "H402",
      );
    const bits = bitsOf(grid);
    if (bits > 32)
      noKernel(
        `${who} works on "${name}", whose integers ${grid.min} ... ${grid.max} need ${bits} bits, more than 32`,
        "Quantise it, or use coarser scales.",
        "H402",
      );
    if (elementCount(shape) > MAX_ELEMENTS)
      noKernel(
        `${who} works on "${name}", whose ${elementCount(shape)} elements fit no module`,
        "Use smaller inputs or fewer channels.",
        "H405",
      );
    return { shape, grid, ...elementOf(grid) };
  }

  #inputView(): View {
    const { shape } = this.tensor(this.graph.input);
    const strides = this.inputLayout === "HWC" ? storageStrides(shape) : rowMajorStrides(shape);
    return { root: INPUT_BUFFER, offset: 0, dims: shape, strides };
  }

  #viewOf(node: Node): View {
    const own = wholeTensor(node.output, this.tensor(node.output).shape);
    const base = this.#views.get(node.inputs[0] ?? "");
    if (!base) return own;
    return viewThrough(node, base, this.tensor(node.inputs[0]!), this.tensor(node.output)) ?? own;
  }

  tensor(name: string): Tensor {
    return tensorOf(this.graph, name);
  }

  /** The node that makes a tensor, which must be of the given operator. */
  expect(op: string, tensor: string, reader: Node | undefined): Node {
    const node = this.producer(tensor);
    if (node?.op === op) return node;
    const found = node ? `${node.op} "${node.name}"` : tensor === this.graph.input ? "the image" : "a constant";
    const where = reader ? `Node "${reader.name}" (${reader.op})` : "The model";
    return noKernel(`${where} reads "${tensor}" from ${found}, where a kernel needs ${op}`);
  }

  /** The node that makes a tensor, if it is of the given operator. */
  maybe(op: string, tensor: string): Node | undefined {
    const node = this.producer(tensor);
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
    if (tensor.shape.length !== 3 || elementCount(tensor.shape) > MAX_ELEMENTS)
      return noKernel(
        `Node "${reader.name}" (${reader.op}) reads "${name}", whose shape [${tensor.shape}] is no feature map that fits a module`,
        "Use smaller images or fewer channels.",
        "H405",
      );
    return tensor;
  }

  /** The grid of a tensor that a kernel computes by shifts: its step is a power of two. */
  grid(name: string, reader: Node): Grid {
    const { grid } = this.tensor(name);
    if (!grid || !isPowerOfTwo(grid.step))
      return noKernel(
        `Node "${reader.name}" (${reader.op}) works on "${name}", which is off the integer grid${grid ? ` of powers of two: its step is ${grid.step}` : ""}`,
        "Use Quant nodes with power-of-two scales and pooling windows of a power of two.",
        "H402",
      );
    return grid;
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
