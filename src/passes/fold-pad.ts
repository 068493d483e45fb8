/** Folds a constant padding of pixels into the convolution that alone reads it. */
import { rewriteGraph } from "../graph/build.ts";
import { consumersOf, type Graph, type Node, numberOf, numbersOf, producerOf } from "../graph/graph.ts";

export function foldPad(graph: Graph): Graph {
  const foldable = (node: Node): boolean =>
    node.op === "pad" &&
    !graph.outputs.includes(node.output) &&
    numbersOf(node, "before")[0] === 0 &&
    numbersOf(node, "after")[0] === 0 &&
    consumersOf(graph, node.output).every(
      (reader) => reader.op === "conv" && reader.inputs[0] === node.output && agrees(reader, numberOf(node, "value")),
    );
  return rewriteGraph(graph, (node, builder) => {
    if (foldable(node)) return;
    const padding = node.op === "conv" ? producerOf(graph, node.inputs[0]!) : undefined;
    if (!padding || !foldable(padding)) {
      builder.copy(node, graph);
      return;
    }
    const before = numbersOf(padding, "before");
    const after = numbersOf(padding, "after");
    const [top, left, bottom, right] = numbersOf(node, "pads") as [number, number, number, number];
    for (const parameter of node.inputs.slice(1)) builder.copyConstant(parameter, graph);
    builder.node(
      "conv",
      [padding.inputs[0]!, ...node.inputs.slice(1)],
      node.output,
      {
        ...node.attributes,
        pads: [top + before[1]!, left + before[2]!, bottom + after[1]!, right + after[2]!],
        padValue: numberOf(padding, "value"),
      },
      node.name,
    );
  });
}

/** Padding of two kinds around one map folds only when both have the same value. */
function agrees(conv: Node, value: number): boolean {
  return numbersOf(conv, "pads").every((n) => n === 0) || numberOf(conv, "padValue") === value;
}
