/**
 * Folds batch norms, and multiplications by and additions of constants, into the weights and the bias of the layer in front of them
 * (Jacob et al. 2018, section 3.2). For float layers, which are about to be snapped: of integer layers the quantiser behind takes all that.
 */
import { type GraphBuilder, rewriteGraph } from "../graph/build.ts";
import { consumersOf, type Graph, type Node, tensorOf } from "../graph/graph.ts";
import { freeName } from "./free-name.ts";
import { evaluatePointwise, isPointwise } from "./pointwise.ts";

const AFFINE: ReadonlySet<string> = new Set(["mul", "div", "add", "sub", "batchNorm"]);

export function foldAffine(graph: Graph): Graph {
  const folded = new Map<Node, Node[]>();
  for (const node of graph.nodes) {
    const chain = isFloatLayer(graph, node) ? chainBehind(graph, node) : [];
    if (chain.length > 0) folded.set(node, chain);
  }
  const gone = new Set([...folded.values()].flat());
  return rewriteGraph(graph, (node, builder) => {
    const chain = folded.get(node);
    if (chain) addFolded(graph, builder, node, chain);
    else if (!gone.has(node)) builder.copy(node, graph);
  });
}

function isFloatLayer(graph: Graph, node: Node): boolean {
  if (node.op !== "conv" && node.op !== "gemm") return false;
  const parameters = node.inputs.slice(1).map((name) => tensorOf(graph, name));
  return tensorOf(graph, node.output).grid === undefined && parameters.every(({ values }) => values !== undefined);
}

/** The affine nodes behind a layer, each the only reader of the one before. */
function chainBehind(graph: Graph, node: Node): Node[] {
  const chain: Node[] = [];
  for (let name = node.output; ; name = chain.at(-1)!.output) {
    const readers = consumersOf(graph, name);
    const [reader] = readers;
    const mayFold = readers.length === 1 && reader && AFFINE.has(reader.op) && isPointwise(graph, reader);
    const variables = reader?.inputs.filter((input) => !tensorOf(graph, input).values) ?? [];
    if (!mayFold || variables.length !== 1 || graph.outputs.includes(name)) return chain;
    chain.push(reader);
  }
}

function addFolded(graph: Graph, builder: GraphBuilder, layer: Node, chain: readonly Node[]): void {
  const [x, weightName, biasName] = layer.inputs as [string, string, string?];
  const weight = tensorOf(graph, weightName);
  const outputs = weight.shape[0]!;
  const output = chain.at(-1)!.output;
  const map = { source: tensorOf(graph, layer.output), nodes: chain, output };
  const zeroAndOne = Float64Array.from({ length: 2 * outputs }, (_, i) => i % 2);
  const ends = evaluatePointwise(graph, map, zeroAndOne, outputs);
  const factor = (k: number): number => ends[2 * k + 1]! - ends[2 * k]!;
  const each = weight.values!.length / outputs;
  const bias = biasName === undefined ? new Float64Array(outputs) : tensorOf(graph, biasName).values!;
  const named = (role: string, shape: readonly number[], values: Float64Array): string =>
    builder.constant(freeName(graph, builder, `${output}.${role}`), shape, values);
  const weights = named(
    "weight",
    weight.shape,
    weight.values!.map((w, i) => w * factor(Math.floor(i / each))),
  );
  const biases = named(
    "bias",
    [outputs],
    bias.map((b, k) => b * factor(k) + ends[2 * k]!),
  );
  builder.node(layer.op, [x, weights, biases], output, layer.attributes, layer.name);
}
