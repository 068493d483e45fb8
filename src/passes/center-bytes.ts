/**
 * Zero points that are not in the middle: integers of, say, -28 ... 227 fit a byte only when they are stored with something added.
 * Of such tensors the graph gets a shifted twin, x' = x + c, that a layer stores in a byte, and what reads x takes x' - c: a
 * convolution by its bias and the value of its padding, a sum by a constant behind it, pooling and movement by shifting their result.
 */
import { type GraphBuilder, rewriteGraph } from "../graph/build.ts";
import { type Attributes, elementCount, type Graph, type Node, numberOf, numbersOr, tensorOf } from "../graph/graph.ts";
import { bitsOf, type Grid, integerOf, multipleOf } from "../graph/grid.ts";
import { freeName } from "./free-name.ts";

/** What moves or compares values, but computes none. */
const MOVEMENT: ReadonlySet<string> = new Set(["flatten", "reshape", "transpose", "slice", "identity", "maxPool"]);

/** A tensor x' = x + offset * step. */
interface Twin {
  readonly name: string;
  /** Integers that were added. */
  readonly offset: number;
  readonly grid: Grid;
}

export function centerBytes(graph: Graph): Graph {
  const twins = new Map<string, Twin>();
  return rewriteGraph(graph, (node, builder) => new Rewrite(graph, builder, twins, node).run());
}

/** Whether a grid takes two bytes only because its integers are not where a byte's are. */
function isOffCenter({ min, max }: Grid): boolean {
  return bitsOf({ step: 1, min, max }) > 8 && max - min <= 255;
}

class Rewrite {
  constructor(
    private readonly graph: Graph,
    private readonly builder: GraphBuilder,
    private readonly twins: Map<string, Twin>,
    private readonly node: Node,
  ) {}

  run(): void {
    const { node, graph } = this;
    if (this.makesTwin() || this.movesTwin() || this.sumsTwins()) return;
    const twin = this.twins.get(node.inputs[0]!);
    if (twin && (node.op === "conv" || node.op === "gemm") && this.multipliesTwin(twin)) return;
    if (twin && node.op === "averagePool" && !isPadded(node)) {
      const pooled = this.emit([twin.name, ...node.inputs.slice(1)], `${node.output}.shifted`);
      this.subtract(pooled, twin.offset * twin.grid.step, node.output);
      return;
    }
    for (const input of node.inputs) this.restore(input);
    this.builder.copy(node, graph);
  }

  /** A quantiser whose integers lie off the middle: its zero point moves. */
  private makesTwin(): boolean {
    const { node, graph } = this;
    const { grid } = tensorOf(graph, node.output);
    if ((node.op !== "requant" && node.op !== "lut") || !grid || !isOffCenter(grid)) return false;
    if (graph.outputs.includes(node.output)) return false;
    const offset = -128 - grid.min;
    for (const input of node.inputs) this.restore(input);
    const name = this.emit(node.inputs, `${node.output}.shifted`, { zero: numberOf(node, "zero") - offset });
    this.twins.set(node.output, { name, offset, grid });
    return true;
  }

  /** The movement of twins is the twin of the movement. */
  private movesTwin(): boolean {
    const { node, graph } = this;
    const [first, ...others] = node.inputs.map((input) => this.twins.get(input));
    if (!first || graph.outputs.includes(node.output)) return false;
    const alike = others.every((twin) => twin?.offset === first.offset && twin.grid.step === first.grid.step);
    const shift = first.offset * first.grid.step;
    const padded: Attributes = node.op === "pad" ? { value: numberOf(node, "value") + shift } : {};
    if (!MOVEMENT.has(node.op) && node.op !== "pad" && !(node.op === "concat" && alike)) return false;
    const inputs = node.inputs.map((input) => this.twins.get(input)?.name ?? input);
    const name = this.emit(inputs, `${node.output}.shifted`, padded);
    this.twins.set(node.output, { ...first, name });
    return true;
  }

  /** (a' - c) + (b' - d) = (a' + b') - (c + d); one of them may have no twin. */
  private sumsTwins(): boolean {
    const { node } = this;
    const [a, b] = node.inputs.map((input) => this.twins.get(input));
    if ((node.op !== "add" && node.op !== "sub") || !(a || b)) return false;
    const [left, right] = [a, b].map((twin) => (twin ? twin.offset * twin.grid.step : 0)) as [number, number];
    const sum = this.emit(
      node.inputs.map((input) => this.twins.get(input)?.name ?? input),
      `${node.output}.shifted`,
    );
    this.subtract(sum, node.op === "add" ? left + right : left - right, node.output);
    return true;
  }

  /** w (x' - c) + b = w x' + (b - c w); around the map lies what lay there, plus c. */
  private multipliesTwin({ name, offset, grid }: Twin): boolean {
    const { node, graph, builder } = this;
    const [, weightName, biasName] = node.inputs as [string, string, string?];
    const weight = tensorOf(graph, weightName);
    const output = tensorOf(graph, node.output).grid;
    const factor = weight.grid && output && multipleOf(grid.step * weight.grid.step, output.step);
    if (!weight.values || !weight.grid || !output || factor === undefined) return false;
    const outputs = weight.shape[0]!;
    const perOutput = elementCount(weight.shape) / outputs;
    const bias = biasName === undefined ? undefined : tensorOf(graph, biasName).values!;
    const integers = Array.from({ length: outputs }, (_, k) => {
      let sum = 0;
      for (const w of weight.values!.subarray(k * perOutput, (k + 1) * perOutput)) sum += integerOf(w, weight.grid!);
      return (bias ? integerOf(bias[k]!, output) : 0) - factor * offset * sum;
    });
    const { step } = output;
    const shifted = builder.constant(
      freeName(graph, builder, `${node.output}.bias`),
      [outputs],
      integers.map((n) => n * step),
      { step, min: Math.min(0, ...integers), max: Math.max(0, ...integers) },
    );
    const padding: Attributes = node.op === "conv" ? { padValue: numberOf(node, "padValue") + offset * grid.step } : {};
    builder.copyConstant(weightName, graph);
    const attributes = { ...node.attributes, ...padding };
    builder.node(node.op, [name, weightName, shifted], node.output, attributes, node.name);
    return true;
  }

  /** The node on other inputs, its result under another name. */
  private emit(inputs: readonly string[], output: string, attributes: Attributes = {}): string {
    const { node, graph, builder } = this;
    for (const input of inputs) builder.copyConstant(input, graph);
    const name = freeName(graph, builder, output);
    return builder.node(node.op, inputs, name, { ...node.attributes, ...attributes }, node.name);
  }

  private subtract(from: string, value: number, output: string): void {
    const { graph, builder, node } = this;
    const { grid } = builder.tensor(from);
    const integer = grid && integerOf(value, grid);
    const known = grid && { step: grid.step, min: integer!, max: integer! };
    const constant = builder.constant(freeName(graph, builder, `${output}.shift`), [1], [value], known);
    builder.node("sub", [from, constant], output, {}, node.name);
  }

  /** Makes x again, for a reader that has no use for its twin. */
  private restore(name: string): void {
    const twin = this.twins.get(name);
    if (twin && !this.builder.has(name)) this.subtract(twin.name, twin.offset * twin.grid.step, name);
  }
}

function isPadded(node: Node): boolean {
  return numbersOr(node, "pads", [0, 0, 0, 0]).some((n) => n > 0);
}
