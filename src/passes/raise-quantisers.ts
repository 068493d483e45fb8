/**
 * Moves quantisers, and the chains in front of them, up through what only moves or compares values: quant(maxPool(x)) is
 * maxPool(quant(x)) where the chain rises, and then the pooling reads narrow integers and the chain folds into the layer that made x.
 */
import { rewriteGraph } from "../graph/build.ts";
import { consumersOf, type Graph, type Node, numberOf, tensorOf } from "../graph/graph.ts";
import { operatorOf } from "../graph/operators/index.ts";
import { freeName } from "./free-name.ts";
import { isQuantiser } from "./levels.ts";
import { isPointwise } from "./pointwise.ts";

/** What moves values but does not change them. */
const MOVEMENT: ReadonlySet<string> = new Set(["flatten", "reshape", "transpose", "slice", "pad", "concat"]);

export function raiseQuantisers(graph: Graph): Graph {
  for (let current = graph; ; ) {
    const move = findMove(current);
    if (!move) return current;
    current = raised(current, move);
  }
}

/** A node, and the chain up to a quantiser that goes in front of it. */
interface Move {
  readonly node: Node;
  readonly chain: readonly Node[];
}

function findMove(graph: Graph): Move | undefined {
  const quantised = quantisedTensors(graph);
  for (const node of graph.nodes) {
    if (!movesValues(node) || node.inputs.every((input) => quantised.has(input))) continue;
    const chain = chainBehind(graph, node);
    if (chain) return { node, chain };
  }
  return undefined;
}

function movesValues({ op }: Node): boolean {
  return op === "maxPool" || MOVEMENT.has(op);
}

/** Tensors that hold a quantiser's integers, moved or not, the model's input and constants. */
function quantisedTensors(graph: Graph): Set<string> {
  const made = new Set(graph.nodes.map(({ output }) => output));
  const quantised = new Set([...graph.tensors.keys()].filter((name) => !made.has(name)));
  for (const node of graph.nodes) {
    const moved = movesValues(node) && node.inputs.every((input) => quantised.has(input));
    if (moved || isQuantiser(node)) quantised.add(node.output);
  }
  return quantised;
}

/** The nodes behind `node` that may go in front of it, the last of them a quantiser. */
function chainBehind(graph: Graph, node: Node): Node[] | undefined {
  const chain: Node[] = [];
  for (let name = node.output; ; name = chain.at(-1)!.output) {
    const readers = consumersOf(graph, name);
    const [reader] = readers;
    if (readers.length !== 1 || graph.outputs.includes(name) || !reader) return undefined;
    if (!mayPass(graph, reader, node)) return undefined;
    chain.push(reader);
    if (isQuantiser(reader)) return chain;
  }
}

function mayPass(graph: Graph, reader: Node, node: Node): boolean {
  if (!isQuantiser(reader) && !isPointwise(graph, reader)) return false;
  if (reader.inputs.filter((input) => !tensorOf(graph, input).values).length !== 1) return false;
  if (node.op === "maxPool") return isRising(graph, reader);
  return isUniform(graph, reader);
}

function isUniform(graph: Graph, node: Node): boolean {
  const constants = node.inputs.map((input) => tensorOf(graph, input).values);
  const lists = ["scale", "zero"].some((key) => Array.isArray(node.attributes[key]));
  return !lists && constants.every((values) => values === undefined || values.length === 1);
}

/** Whether the larger of two values stays the larger one, or becomes equal, in every channel. */
function isRising(graph: Graph, node: Node): boolean {
  const constant = (position: number) => tensorOf(graph, node.inputs[position]!).values;
  switch (node.op) {
    case "mul":
      return (constant(0) ?? constant(1))!.every((factor) => factor >= 0);
    case "div":
      return constant(1)!.every((divisor) => divisor > 0);
    case "sub":
      return constant(1) !== undefined;
    case "batchNorm":
      return constant(1)!.every((gamma) => gamma >= 0);
    case "hardSigmoid":
      return numberOf(node, "alpha") >= 0;
    default:
      return true;
  }
}

function raised(graph: Graph, { node, chain }: Move): Graph {
  const last = chain.at(-1)!;
  return rewriteGraph(graph, (each, builder) => {
    if (each === node) return;
    if (each !== last) {
      if (!chain.includes(each)) builder.copy(each, graph);
      return;
    }
    const branches = node.inputs.map((input, branch) => {
      let name = input;
      for (const link of chain) {
        for (const constant of link.inputs) builder.copyConstant(constant, graph);
        const suffix = node.inputs.length > 1 ? `.${branch}` : "";
        const output = freeName(graph, builder, `${link.output}.raised${suffix}`);
        const inputs = link.inputs.map((own) => (tensorOf(graph, own).values ? own : name));
        name = builder.node(link.op, inputs, output, link.attributes, link.name);
      }
      return name;
    });
    builder.node(node.op, branches, last.output, attributesBehind(graph, node, chain), node.name);
  });
}

/** What a pad fills in has passed the chain, too. */
function attributesBehind(graph: Graph, node: Node, chain: readonly Node[]): Node["attributes"] {
  if (node.op !== "pad") return node.attributes;
  const value = chain.reduce(
    (filling, link) => {
      const inputs = link.inputs.map((name) => {
        const { shape, values = Float64Array.of(filling) } = tensorOf(graph, name);
        return { shape: values.length === 1 ? [1] : shape, values };
      });
      return operatorOf(link.op).run(link, inputs, [1])[0]!;
    },
    numberOf(node, "value"),
  );
  return { ...node.attributes, value };
}
