/** The two halves of a hybrid model as one file: the reverse of `splitCloud`. */
import { HedgeError } from "../../errors.ts";
import { isStandardDomain } from "../../import/onnx/attributes.ts";
import type { OnnxGraph, OnnxModel, OnnxTensor } from "../../import/onnx/types.ts";
import { inputsOf } from "./dataflow.ts";
import { requireOpset } from "./expand-quantizers.ts";

export interface JoinOptions {
  /** The tensor of both halves: the edge part makes it, the cloud part reads it. */
  readonly cut: string;
  /** The exit's logits. */
  readonly exit: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** Names the model in errors. */
  readonly file: string;
}

/**
 * @param edge written by `writeGraph`, whose operators mean the same in every operator set from 12 on
 * @param cloud the half that `splitCloud` gives; its operator set is the model's
 * @returns a model whose outputs are the exit's logits and those of the cloud part
 * @throws HedgeError (input) when the cloud part needs the exit's logits, or is of an older operator set
 */
export function joinParts(edge: OnnxModel, cloud: OnnxModel, options: JoinOptions): OnnxModel {
  const { cut, exit, metadata, file } = options;
  requireOpset(cloud, file);
  const taken = namesOf(cloud.graph);
  if (taken.has(exit))
    throw new HedgeError(
      "input",
      `${file}: the cloud part needs the exit's logits "${exit}", too.`,
      "Cut where a single tensor goes from the edge part to the cloud part.",
      { code: "H304" },
    );
  const { graph } = withOtherNames(edge, taken, new Set([cut, ...edge.graph.input.map(nameOf)]));
  const standard = cloud.opsetImport.filter(({ domain }) => isStandardDomain(domain));
  return {
    ...edge,
    irVersion: Math.max(Number(edge.irVersion), Number(cloud.irVersion ?? 0)),
    opsetImport: [...standard, ...edge.opsetImport.filter(({ domain }) => !isStandardDomain(domain))],
    graph: {
      ...graph,
      node: [...graph.node, ...cloud.graph.node],
      initializer: [...graph.initializer, ...cloud.graph.initializer],
      sparseInitializer: cloud.graph.sparseInitializer,
      output: [...graph.output.filter(({ name }) => name !== cut), ...cloud.graph.output],
    },
    metadataProps: Object.entries(metadata).map(([key, value]) => ({ key, value })),
  };
}

function nameOf({ name }: { readonly name?: string | undefined }): string {
  return name ?? "";
}

function namesOf({ node, initializer, sparseInitializer }: OnnxGraph): Set<string> {
  return new Set([
    ...node.flatMap((each) => [...inputsOf(each), ...each.output]),
    ...initializer.map(nameOf),
    ...sparseInitializer.map(({ values }) => values?.name ?? ""),
  ]);
}

/** The model, which has no subgraphs, with other names for tensors whose own are taken. */
function withOtherNames(model: OnnxModel, taken: ReadonlySet<string>, kept: ReadonlySet<string>): OnnxModel {
  const { graph } = model;
  const own = namesOf(graph);
  const names = new Map<string, string>();
  for (const name of own) {
    if (!taken.has(name) || kept.has(name)) continue;
    let free = `${name}.edge`;
    while (taken.has(free) || own.has(free)) free += "'";
    names.set(name, free);
  }
  const of = (name: string): string => names.get(name) ?? name;
  const node = graph.node.map((each) => ({ ...each, input: each.input.map(of), output: each.output.map(of) }));
  const initializer = graph.initializer.map((tensor): OnnxTensor => ({ ...tensor, name: of(nameOf(tensor)) }));
  return { ...model, graph: { ...graph, node, initializer } };
}
