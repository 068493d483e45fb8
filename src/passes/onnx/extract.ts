/** Cutting an ONNX model: a part of its graph as a model of its own. */
import { HedgeError } from "../../errors.ts";
import { isStandardDomain, nodeTitle } from "../../import/onnx/attributes.ts";
import { value } from "../../import/onnx/build.ts";
import { externalData, isExternal } from "../../import/onnx/tensor.ts";
import type { OnnxModel, OnnxNode, OnnxValueInfo } from "../../import/onnx/types.ts";
import { constantsOf, dropUnused, inputsOf, noTensor, producersOf } from "./dataflow.ts";
import { expandQuantizers } from "./expand-quantizers.ts";

/**
 * The part of a model between `inputs` and `outputs`, with the initialisers that it needs. Names, operator sets and metadata stay.
 * @param inputs tensors that become graph inputs, with the type and shape to declare
 * @param file names the model in errors
 * @throws HedgeError (input) when an output does not exist or needs a graph input that is not among `inputs`
 */
export function extractSubgraph(
  model: OnnxModel,
  inputs: readonly OnnxValueInfo[],
  outputs: readonly string[],
  file: string,
): OnnxModel {
  const { graph } = model;
  const given = new Set(inputs.map((input) => input.name ?? ""));
  const producers = producersOf(graph);
  const constants = constantsOf(graph);
  const needed = new Set<OnnxNode>();
  const visit = (name: string, reader: OnnxNode | undefined): void => {
    if (given.has(name)) return;
    const node = producers.get(name);
    if (node) {
      if (!needed.has(node)) pending.push(node);
      needed.add(node);
    } else if (!constants.has(name)) {
      if (!reader) throw noTensor(name, file);
      throw new HedgeError(
        "input",
        `${file}: ${nodeTitle(reader)} needs "${name}", which is not among the inputs ${[...given].join(", ")}.`,
        "Take the part at tensors that separate it from the rest of the model.",
        { code: "H304" },
      );
    }
  };
  const pending: OnnxNode[] = [];
  for (const output of outputs) visit(output, undefined);
  for (let node = pending.pop(); node; node = pending.pop()) for (const name of inputsOf(node)) visit(name, node);
  const declared = [...graph.output, ...graph.valueInfo];
  const part = {
    ...graph,
    // A tensor that is an input now must not have a second maker.
    node: graph.node.filter((node) => needed.has(node)),
    input: [...inputs],
    output: outputs.map((name) => declared.find((info) => info.name === name) ?? value(name, [])),
    initializer: graph.initializer.filter((tensor) => !given.has(tensor.name ?? "")),
  };
  for (const output of part.output) if (!declared.includes(output)) output.type = { tensorType: { elemType: 1 } };
  return { ...model, graph: dropUnused(part) };
}

export interface CloudOptions {
  /** Names the model in errors. */
  readonly file: string;
  /** Channels, height, width at the cut, if known; else the axes are symbolic. */
  readonly shape?: readonly number[];
}

/**
 * The cloud half of a hybrid model: input the cut tensor (float32 [batch, channels, height, width]), output the final logits, only
 * standard operators (QONNX's quantisers are expanded).
 * @throws HedgeError (input) when the cut does not separate the halves, naming the node and the tensor that goes around it
 */
export function splitCloud(model: OnnxModel, cut: string, output: string, options: CloudOptions): OnnxModel {
  const { file } = options;
  const producers = producersOf(model.graph);
  for (const name of [cut, output]) if (!producers.has(name)) throw noTensor(name, file);
  checkSeparation(model, producers, cut, output, file);

  const dims = options.shape ?? ["channels", "height", "width"];
  const half = expandQuantizers(extractSubgraph(model, [value(cut, ["batch", ...dims])], [output], file), file);
  const foreign = half.graph.node.find((node) => !isStandardDomain(node.domain));
  if (foreign) {
    throw new HedgeError(
      "input",
      `${file}: ${nodeTitle(foreign)} of the cloud part is of the domain "${foreign.domain}".`,
      "Export the cloud part with standard ONNX operators only.",
      { code: "H305" },
    );
  }
  // What a worker loads must not name files of the worker's machine.
  const attributes = half.graph.node.flatMap((node) => node.attribute.flatMap(({ t, tensors }) => (t ? [t] : tensors)));
  const foreignData = [...half.graph.initializer, ...attributes].find(isExternal);
  if (foreignData) throw externalData(foreignData, file);
  const kept = half.metadataProps.filter(({ key }) => key !== "hedge.exits" && key !== "hedge.input");
  return {
    ...half,
    graph: { ...half.graph, name: `${model.graph.name ?? "model"}.cloud` },
    opsetImport: half.opsetImport.filter((opset) => isStandardDomain(opset.domain)),
    metadataProps: [...kept, { key: "hedge.part", value: "cloud" }],
    functions: [],
    trainingInfo: [],
  };
}

/** Every way from the model's inputs to the output must lead through the cut. */
function checkSeparation(
  model: OnnxModel,
  producers: ReadonlyMap<string, OnnxNode>,
  cut: string,
  output: string,
  file: string,
): void {
  const edge = ancestorsOf(cut, producers);
  const constants = constantsOf(model.graph);
  const fromInput = dependents(model, new Set(constants.keys()));
  const seen = new Set<OnnxNode>();
  const waiting: OnnxNode[] = [];
  const maker = producers.get(output);
  if (maker && output !== cut) waiting.push(maker);
  let reached = false;
  for (let node = waiting.pop(); node; node = waiting.pop()) {
    if (seen.has(node)) continue;
    seen.add(node);
    for (const name of inputsOf(node)) {
      if (name === cut) {
        reached = true;
        continue;
      }
      const producer = producers.get(name);
      if (fromInput.has(name) && (!producer || edge.has(producer))) {
        throw new HedgeError(
          "input",
          `${file}: the cut "${cut}" does not separate the cloud part: ${nodeTitle(node)} also needs "${name}" of the edge part.`,
          "Cut where a single tensor goes from the edge part to the cloud part (metadata hedge.cut).",
          { code: "H304" },
        );
      }
      if (producer) waiting.push(producer);
    }
  }
  if (!reached) {
    throw new HedgeError(
      "input",
      `${file}: the output "${output}" does not depend on the cut "${cut}".`,
      "Correct hedge.cut or hedge.output in the model's metadata.",
      { code: "H304" },
    );
  }
}

function ancestorsOf(tensor: string, producers: ReadonlyMap<string, OnnxNode>): Set<OnnxNode> {
  const found = new Set<OnnxNode>();
  const waiting = [tensor];
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    const node = producers.get(name);
    if (!node || found.has(node)) continue;
    found.add(node);
    waiting.push(...inputsOf(node));
  }
  return found;
}

/** Tensors whose values depend on a graph input (an initialiser that is listed as one does not count). */
function dependents(model: OnnxModel, constants: ReadonlySet<string>): Set<string> {
  const names = model.graph.input.map((input) => input.name ?? "").filter((name) => !constants.has(name));
  const found = new Set(names);
  const readers = new Map<string, OnnxNode[]>();
  for (const node of model.graph.node) {
    for (const name of inputsOf(node)) readers.set(name, [...(readers.get(name) ?? []), node]);
  }
  const waiting = [...found];
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    for (const node of readers.get(name) ?? []) {
      for (const output of node.output) {
        if (output === "" || found.has(output)) continue;
        found.add(output);
        waiting.push(output);
      }
    }
  }
  return found;
}
