/**
 * Snaps a float graph onto integer grids of powers of two: 8-bit weights with a step per output, biases on their sums' grids, and
 * quantisers in front of whatever reads a tensor from memory, their steps from the ranges that samples showed. On such grids float32
 * runtimes and integer modules agree to the bit (Jacob et al. 2018 with scales as in Miyashita et al. 2016).
 */
import { GraphBuilder } from "../graph/build.ts";
import { type Graph, type Node, type Tensor, tensorOf } from "../graph/graph.ts";
import { EXACT_LIMIT, largestInteger } from "../graph/grid.ts";
import { renamed } from "../graph/rename.ts";
import { dropIdentity } from "./drop-identity.ts";
import { foldAffine } from "./fold-affine.ts";
import { foldPad } from "./fold-pad.ts";
import { freeName } from "./free-name.ts";
import { isQuantiser } from "./levels.ts";
import type { QuantisedConstant } from "./onnx/graph-writer.ts";
import { isPointwise } from "./pointwise.ts";
import { cutQuantiser } from "./snap-cut.ts";
import { largestSum, MAX_SPREAD, type QuantisedValues, quantiseBias, quantiseWeights } from "./snap-weights.ts";
import { type Range, reachingStep, rounding, weightCount } from "./storage.ts";
import { trimOutput } from "./trim-output.ts";

export interface SnapOptions {
  /** Of activations: 8 or 16. */
  readonly bits: number;
  /** Of single tensors, by name. The cut's are those of the payload: 1, 2, 4 or 8, which it has where nothing is said. */
  readonly bitsOf?: ReadonlyMap<string, number>;
  /** What the cut of a hybrid model holds on samples; needed for less than 8 bits, which get the levels that are nearest to it. */
  readonly cutValues?: readonly Float32Array[] | undefined;
}

export interface Snapped {
  readonly graph: Graph;
  /** Its weights and biases: what they are integers of. */
  readonly quantised: ReadonlyMap<string, QuantisedConstant>;
}

/** What a sample's host writes: signed bytes. */
const INPUT_BITS = 8;
/** Of a payload where nothing else is said. */
export const CUT_BITS = 8;
const MOVEMENT: ReadonlySet<string> = new Set(["flatten", "reshape", "transpose", "slice", "pad", "maxPool"]);
const ARITHMETIC: ReadonlySet<string> = new Set(["add", "sub", "mul"]);

/** A quantiser of a graph, which is snapped already then. */
export function quantiserIn({ nodes }: Graph): Node | undefined {
  return nodes.find((node) => node.op !== "sign" && isQuantiser(node));
}

/** The graph with batch norms folded into weights, as ranges are measured on it and it is snapped. */
export function prepareToSnap(graph: Graph): Graph {
  return foldAffine(foldPad(dropIdentity(trimOutput(graph))));
}

/** What an integer of the input is worth, so that signed bytes reach a range. */
export function inputStep(range: Range): number {
  return reachingStep(range, INPUT_BITS, true);
}

/**
 * @param graph as prepared; of hybrid models with the exit's logits and the cut as outputs
 * @param ranges of the input and of every tensor that is computed
 * @returns a graph with the same outputs, the cut quantised
 */
export function snapGraph(graph: Graph, ranges: ReadonlyMap<string, Range>, options: SnapOptions): Snapped {
  const [output, cut] = graph.outputs as [string, string?];
  if (cut === undefined) {
    const snapper = new Snapper(graph, ranges, options);
    for (const node of graph.nodes) snapper.add(node);
    return { graph: snapper.builder.build([output]), quantised: snapper.constants };
  }
  // The cut's name goes to what its quantiser makes: that is what the cloud part reads.
  const real = unusedName(graph, `${cut}.real`);
  const named = renamed(graph, new Map([[cut, real]]));
  const bits = options.bitsOf?.get(cut) ?? CUT_BITS;
  const snapper = new Snapper(named, new Map([...ranges, [real, ranges.get(cut)!]]), options, { real, cut, bits });
  for (const node of named.nodes) snapper.add(node);
  snapper.addCut();
  return { graph: snapper.builder.build([output, cut]), quantised: snapper.constants };
}

function unusedName(graph: Graph, name: string): string {
  return graph.tensors.has(name) ? unusedName(graph, `${name}'`) : name;
}

/** The cut of a hybrid model. */
interface Cut {
  /** As the layers in front compute it. */
  readonly real: string;
  /** Quantised. */
  readonly cut: string;
  readonly bits: number;
}

class Snapper {
  readonly builder: GraphBuilder;
  readonly constants = new Map<string, QuantisedConstant>();
  /** Tensors that hold a quantiser's integers. */
  readonly #integers = new Set<string>();
  readonly #stored = new Map<string, string>();

  constructor(
    private readonly graph: Graph,
    private readonly ranges: ReadonlyMap<string, Range>,
    private readonly options: SnapOptions,
    private readonly ending?: Cut,
  ) {
    this.builder = new GraphBuilder(graph.name);
    const input = tensorOf(graph, graph.input);
    const grid = input.grid ?? { step: inputStep(this.#range(graph.input)), min: -128, max: 127 };
    this.builder.input(input.name, input.shape, grid);
    // Says in the file what the input's integers are.
    const said = this.builder.node(
      "quant",
      [input.name],
      freeName(graph, this.builder, `${input.name}.snapped`),
      rounding({ min: grid.min * grid.step, max: grid.max * grid.step }, grid.step, INPUT_BITS),
    );
    this.#integers.add(input.name).add(said);
    this.#stored.set(input.name, said);
  }

  add(node: Node): void {
    const variables = node.inputs.filter((input) => !tensorOf(this.graph, input).values);
    if (node.op === "conv" || node.op === "gemm") this.#addLayer(node);
    else if (ARITHMETIC.has(node.op) && variables.length === 2)
      this.#addArithmetic(node, variables as [string, string]);
    else if (node.op === "concat") this.#addConcat(node);
    else if (MOVEMENT.has(node.op) || isPointwise(this.graph, node) || isQuantiser(node)) this.#copy(node);
    else this.#copy(node, (input) => this.#store(input));
    const moved = MOVEMENT.has(node.op) && variables.every((input) => this.#integers.has(input));
    if (moved || isQuantiser(node)) this.#integers.add(node.output);
  }

  #copy(node: Node, rename: (input: string) => string = (input) => this.#source(input)): void {
    const inputs = node.inputs.map((input) => (tensorOf(this.graph, input).values ? input : rename(input)));
    this.builder.copy({ ...node, inputs }, this.graph);
  }

  /** The input is read through its quantiser. */
  #source(name: string): string {
    return name === this.graph.input ? this.#stored.get(name)! : name;
  }

  /** A tensor behind a quantiser of its range. */
  #store(name: string): string {
    const known = this.#stored.get(name);
    if (known) return known;
    if (this.#integers.has(name)) return name;
    const bits = this.#bits(name);
    const range = this.#range(name);
    // What is stored of the cut is what is sent, where both have the same bits.
    const isCut = name === this.ending?.real && bits === this.ending.bits;
    const output = isCut ? this.ending.cut : freeName(this.graph, this.builder, `${name}.snapped`);
    this.builder.node("quant", [name], output, rounding(range, this.#step(name, bits, range.min < 0), bits));
    this.#integers.add(output);
    this.#stored.set(name, output);
    return output;
  }

  #bits(name: string): number {
    return this.options.bitsOf?.get(name) ?? this.options.bits;
  }

  #range(name: string): Range {
    const range = this.ranges.get(name);
    if (!range) throw new Error(`no range of "${name}" was measured`);
    return range;
  }

  #step(name: string, bits: number, signed: boolean): number {
    return reachingStep(this.#range(name), bits, signed);
  }

  /** The cut behind its quantiser, made of what is stored of it anyway. */
  addCut(): void {
    const { real, cut, bits } = this.ending!;
    if (this.builder.has(cut)) return;
    const input = this.#stored.get(real) ?? real;
    const stored = this.#integers.has(input) ? this.builder.tensor(input).grid!.step : 0;
    if (bits < CUT_BITS) {
      const { op, attributes } = cutQuantiser(this.options.cutValues!, bits, stored);
      this.builder.node(op, [input], cut, attributes);
      return;
    }
    const range = this.#range(real);
    const step = Math.max(this.#step(real, bits, range.min < 0), stored);
    this.builder.node("quant", [input], cut, rounding(range, step, bits));
  }

  #addLayer(node: Node): void {
    const [x, weightName, biasName] = node.inputs as [string, string, string?];
    const input = this.#store(x);
    const weight = tensorOf(this.graph, weightName);
    const bias = biasName === undefined ? undefined : tensorOf(this.graph, biasName);
    const { values, scales, bits } = this.#weightsOf(weight, input, bias);
    const inputs = [input, this.#constant(`${node.output}.weight.snapped`, weight, values, { bits, scales })];
    if (bias) {
      const { step } = this.builder.tensor(input).grid!;
      const snapped = quantiseBias(
        bias.values!,
        scales.map((scale) => scale * step),
      );
      inputs.push(this.#constant(`${node.output}.bias.snapped`, bias, snapped.values, snapped));
    }
    this.builder.node(node.op, inputs, node.output, node.attributes, node.name);
  }

  /** Sums of hybrid models stay exact in float32: outputs with small weights get coarser steps until they are. */
  #weightsOf({ values, shape }: Tensor, input: string, bias: Tensor | undefined): QuantisedValues {
    const grid = this.builder.tensor(input).grid!;
    for (let spread = MAX_SPREAD; ; spread--) {
      const weights = quantiseWeights(values!, shape[0]!, spread);
      if (!this.ending || spread === 0 || largestSum(weights, grid, bias?.values) < EXACT_LIMIT) return weights;
    }
  }

  #constant(name: string, like: Tensor, values: Float64Array, { bits, scales }: QuantisedConstant): string {
    const free = freeName(this.graph, this.builder, name);
    this.constants.set(free, { bits, scales });
    return this.builder.constant(free, like.shape, values);
  }

  /** A sum may take a layer's own integers beside a stored tensor; a product takes two stored ones. */
  #addArithmetic(node: Node, variables: readonly [string, string]): void {
    const layers = variables.filter((name) => node.op !== "mul" && this.#isLayer(name));
    const kept = layers.sort((a, b) => weightCount(this.graph, b) - weightCount(this.graph, a))[0];
    const operand = (name: string): string => (name === kept ? name : this.#store(name));
    if (kept !== undefined) {
      const other = this.builder.tensor(operand(variables.find((name) => name !== kept) ?? kept)).grid;
      const own = this.builder.tensor(kept).grid;
      const reach =
        own && other && largestInteger(own) + largestInteger(other) * (other.step / Math.min(own.step, other.step));
      if (!reach || reach >= EXACT_LIMIT) this.#store(kept);
    }
    this.#copy(node, (name) => this.#stored.get(name) ?? operand(name));
  }

  #isLayer(name: string): boolean {
    const node = this.graph.nodes.find(({ output }) => output === name);
    return node?.op === "conv" || node?.op === "gemm";
  }

  /** Parts of one tensor have one step: the coarsest that any of them needs. */
  #addConcat(node: Node): void {
    const own = node.inputs.map((name) => {
      const bits = this.#bits(name);
      return this.#step(
        name,
        bits,
        node.inputs.some((each) => this.#range(each).min < 0),
      );
    });
    const step = Math.max(...own);
    this.#copy(node, (name) => {
      const { grid } = this.builder.tensor(this.#source(name));
      return this.#integers.has(name) && grid?.step === step ? this.#source(name) : this.#atStep(name, step);
    });
  }

  #atStep(name: string, step: number): string {
    const known = this.#stored.get(name);
    if (known && this.builder.tensor(known).grid?.step === step) return known;
    const bits = this.#bits(name);
    const output = freeName(this.graph, this.builder, `${name}.aligned`);
    this.builder.node("quant", [this.#source(name)], output, rounding(this.#range(name), step, bits));
    this.#integers.add(output);
    return output;
  }
}
