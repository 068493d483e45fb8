/**
 * Functions of one value and its channel: chains of element-wise operators with constants, from a tensor on a grid on. Whatever
 * mixes neither pixels nor channels can be evaluated on the integers that a channel may hold, all channels at once.
 */

import { HedgeError } from "../errors.ts";
import { elementCount, type Graph, type Node, numberOf, producerOf, type Tensor, tensorOf } from "../graph/graph.ts";
import type { KernelInput } from "../graph/operator.ts";
import { operatorOf } from "../graph/operators/index.ts";

const UNARY: ReadonlySet<string> = new Set(["relu", "clip", "hardSigmoid", "sign", "identity"]);
const BINARY: ReadonlySet<string> = new Set(["add", "sub", "mul", "div"]);

/** Exporters write a handful; each is looked at from every one behind it. */
const MAX_DEPTH = 256;

export interface Pointwise {
  /** What the function is of. */
  readonly source: Tensor;
  /** From the source on; empty where the function is the identity. */
  readonly nodes: readonly Node[];
  /** The tensor that the function makes. */
  readonly output: string;
  /** The same in all channels. */
  readonly uniform: boolean;
  /** Rising or falling in each channel, by its operators alone. */
  readonly monotone: boolean;
}

/**
 * Finds the furthest tensor that `output` is a function of, channel by channel; the output itself where it is made in another way.
 * @throws HedgeError (input) for a chain without end
 */
export function pointwiseOf(graph: Graph, output: string): Pointwise {
  const known = new Map<string, { source: string; nodes: readonly Node[]; forks: boolean }>();
  const trace = (name: string, depth: number) => {
    const found = known.get(name);
    if (found) return found;
    if (depth > MAX_DEPTH)
      throw new HedgeError(
        "input",
        `"${output}" stands behind more than ${MAX_DEPTH} element-wise nodes in a row.`,
        "Fold them into fewer before exporting.",
        { code: "H209" },
      );
    const itself = { source: name, nodes: [] as readonly Node[], forks: false };
    const node = producerOf(graph, name);
    let result = itself;
    if (node && isPointwise(graph, node)) {
      const variables = node.inputs
        .filter((input) => !tensorOf(graph, input).values)
        .map((input) => trace(input, depth + 1));
      const source = variables[0]!.source;
      if (variables.every((variable) => variable.source === source)) {
        const nodes = new Set([...variables.flatMap((variable) => variable.nodes), node]);
        const forks = variables.length > 1 || variables.some((variable) => variable.forks);
        result = { source, nodes: [...nodes], forks };
      }
    }
    known.set(name, result);
    return result;
  };
  const { source, nodes, forks } = trace(output, 0);
  return {
    source: tensorOf(graph, source),
    nodes,
    output,
    uniform: nodes.every((node) => constantsOf(graph, node).every((constant) => constant.values!.length === 1)),
    monotone: !forks,
  };
}

function constantsOf(graph: Graph, node: Node): Tensor[] {
  return node.inputs.map((input) => tensorOf(graph, input)).filter((tensor) => tensor.values);
}

/** Whether a node works element by element, with constants for the whole tensor or for each channel. */
export function isPointwise(graph: Graph, node: Node): boolean {
  if (UNARY.has(node.op) || node.op === "batchNorm") return !tensorOf(graph, node.inputs[0]!).values;
  if (!BINARY.has(node.op)) return false;
  const output = tensorOf(graph, node.output);
  const operands = node.inputs.map((input) => tensorOf(graph, input));
  if (node.op === "div" && !operands[1]!.values) return false;
  return operands.every((operand) =>
    operand.values ? isPerChannel(operand, output.shape) : operand.shape.join() === output.shape.join(),
  );
}

function isPerChannel(constant: Tensor, shape: readonly number[]): boolean {
  const count = elementCount(constant.shape);
  return count === 1 || (count === shape[0] && (constant.shape.length === 1 || constant.shape[0] === count));
}

/** How numbers are rounded: not at all beyond doubles, as the definition has it, or to float32 after each operation, as runtimes do. */
export type Precision = "double" | "single";

/**
 * @param x values of the source, [channels, count]; one channel where the function is uniform
 * @returns values of the output, likewise
 */
export function evaluatePointwise(
  graph: Graph,
  { nodes, source, output }: Pick<Pointwise, "nodes" | "source" | "output">,
  x: Float64Array,
  channels: number,
  precision: Precision = "double",
): Float64Array {
  const shape = [channels, 1, x.length / channels];
  const values = new Map<string, KernelInput>([[source.name, { shape, values: x }]]);
  for (const node of nodes) {
    const inputs = node.inputs.map((name) => values.get(name) ?? (tensorOf(graph, name) as KernelInput));
    const result = precision === "double" ? operatorOf(node.op).run(node, inputs, shape) : single(node, inputs, shape);
    values.set(node.output, { shape, values: result });
  }
  return values.get(output)!.values;
}

/** float32 runtimes round after each operation; a double's operation rounded once more is the float32 operation (Figueroa 1995). */
function single(node: Node, inputs: readonly KernelInput[], shape: readonly number[]): Float64Array {
  const { fround } = Math;
  const rounded = inputs.map((input) => ({ ...input, values: input.values.map(fround) }));
  if (node.op === "batchNorm") return batchNormInSinglePrecision(node, rounded, shape);
  if (node.op === "hardSigmoid") {
    const [alpha, beta] = [fround(numberOf(node, "alpha")), fround(numberOf(node, "beta"))];
    return rounded[0]!.values.map((v) => Math.max(0, Math.min(1, fround(fround(alpha * v) + beta))));
  }
  return operatorOf(node.op).run(node, rounded, shape).map(fround);
}

/** The form that runtimes use: one multiplication and one addition with precomputed factors. */
function batchNormInSinglePrecision(
  node: Node,
  [x, gamma, beta, mean, variance]: readonly KernelInput[],
  shape: readonly number[],
): Float64Array {
  const f = Math.fround;
  const epsilon = f(numberOf(node, "epsilon"));
  const scale = gamma!.values.map((g, c) => f(g / f(Math.sqrt(f(variance!.values[c]! + epsilon)))));
  const shift = beta!.values.map((b, c) => f(b - f(mean!.values[c]! * scale[c]!)));
  const count = shape[2]!;
  return x!.values.map((value, i) => {
    const c = Math.floor(i / count);
    return f(f(value * scale[c]!) + shift[c]!);
  });
}
