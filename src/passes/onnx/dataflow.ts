/** Who makes and who reads a tensor of an ONNX graph; shared by the ONNX -> ONNX passes. */
import { HedgeError } from "../../errors.ts";
import { isStandardDomain, nodeTitle, tensorAttribute } from "../../import/onnx/attributes.ts";
import { readNumbers } from "../../import/onnx/tensor.ts";
import type { OnnxGraph, OnnxModel, OnnxNode, OnnxTensor } from "../../import/onnx/types.ts";

/** The node behind each tensor that a node makes. */
export function producersOf(graph: OnnxGraph): Map<string, OnnxNode> {
  const producers = new Map<string, OnnxNode>();
  for (const node of graph.node) for (const output of node.output) if (output !== "") producers.set(output, node);
  return producers;
}

/** The tensors that a node reads, those that its subgraphs (If, Loop) take from around them included. */
export function inputsOf(node: OnnxNode): string[] {
  const inputs = node.input.filter((name) => name !== "");
  for (const attribute of node.attribute) {
    for (const body of [...(attribute.g ? [attribute.g] : []), ...attribute.graphs]) {
      const own = new Set([...body.input.map((v) => v.name), ...body.initializer.map((t) => t.name)]);
      for (const inner of body.node) for (const output of inner.output) own.add(output);
      const read = [...body.node.flatMap(inputsOf), ...body.output.map((v) => v.name ?? "")];
      inputs.push(...read.filter((name) => !own.has(name)));
    }
  }
  return inputs;
}

/** Initialisers and the values of Constant nodes, by name. */
export function constantsOf(graph: OnnxGraph): Map<string, OnnxTensor> {
  const constants = new Map(graph.initializer.map((tensor) => [tensor.name ?? "", tensor]));
  for (const node of graph.node) {
    if (node.opType !== "Constant" || !isStandardDomain(node.domain)) continue;
    const tensor = tensorAttribute(node, "value");
    if (tensor) constants.set(node.output[0] ?? "", { ...tensor, name: node.output[0] });
  }
  return constants;
}

/** Initialisers that no node reads and no output names are dropped; of the nodes, only those with a use are kept. */
export function dropUnused(graph: OnnxGraph): OnnxGraph {
  const producers = producersOf(graph);
  const used = new Set<string>();
  const nodes = new Set<OnnxNode>();
  const waiting = graph.output.map((output) => output.name ?? "");
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    if (used.has(name)) continue;
    used.add(name);
    const node = producers.get(name);
    if (!node || nodes.has(node)) continue;
    nodes.add(node);
    waiting.push(...inputsOf(node));
  }
  return {
    ...graph,
    node: graph.node.filter((node) => nodes.has(node)),
    initializer: graph.initializer.filter((tensor) => used.has(tensor.name ?? "")),
    sparseInitializer: graph.sparseInitializer.filter((tensor) => used.has(tensor.values?.name ?? "")),
    valueInfo: graph.valueInfo.filter((info) => used.has(info.name ?? "")),
  };
}

/** The model with these tensors as outputs instead of its own; outputs that are new are declared without a shape. */
export function withOutputs(model: OnnxModel, names: readonly string[], file: string): OnnxModel {
  const { graph } = model;
  const producers = producersOf(graph);
  const output = names.map((name) => {
    if (!producers.has(name)) throw noTensor(name, file);
    const declared = [...graph.output, ...graph.valueInfo].find((info) => info.name === name);
    return declared ?? { name, type: { tensorType: { elemType: 1 } }, metadataProps: [] };
  });
  return { ...model, graph: { ...graph, output } };
}

export function noTensor(name: string, file: string): HedgeError {
  return new HedgeError(
    "input",
    `${file}: no node makes the tensor "${name}".`,
    "Name a tensor of the model: correct hedge.cut, hedge.output or hedge.exits in its metadata, or --cut and --exit.",
    { code: "H108" },
  );
}

/** The values of a constant input; undefined when it is none. */
export function constantInput(
  constants: ReadonlyMap<string, OnnxTensor>,
  node: OnnxNode,
  index: number,
  file: string,
): { dims: readonly number[]; data: Float64Array } | undefined {
  const name = node.input[index];
  if (name === undefined || name === "") {
    throw new HedgeError("input", `${file}: ${nodeTitle(node)} lacks input ${index}.`, "Export the model again.", {
      code: "H206",
    });
  }
  const tensor = constants.get(name);
  return tensor && readNumbers(tensor, file);
}
