/** The end of an import: the outputs in order, and under the names that the file gives them. */
import { HedgeError } from "../errors.ts";
import { consumersOf, type Graph } from "../graph/graph.ts";
import { renamed } from "../graph/rename.ts";
import type { ImportContext } from "./context.ts";

/** @throws HedgeError (input) for an output that is a constant, or that nothing makes */
export function nameOutputs(context: ImportContext, outputs: readonly string[], file: string): Graph {
  const tensors = outputs.map((output) => {
    const view = context.views.get(output);
    if (view) return context.settled(view).tensor;
    throw new HedgeError("input", `${file}: "${output}" does not depend on the image.`, "Name another tensor.", {
      code: "H108",
    });
  });
  const unnamed = context.builder.build(tensors);
  const names = new Map<string, string>();
  for (const [i, output] of outputs.entries()) {
    const tensor = tensors[i]!;
    // A tensor that others read, too, keeps its name.
    const shared = names.has(tensor) || tensor === unnamed.input || consumersOf(unnamed, tensor).length > 0;
    const own = tensor === output || !shared;
    names.set(own ? tensor : context.helper("identity", [tensor], {}, `${output}.identity`), output);
  }
  const graph = context.builder.build([...names.keys()]);
  for (const [tensor, output] of [...names])
    if (tensor !== output && graph.tensors.has(output) && !names.has(output))
      names.set(output, context.freeName(`${output}.map`));
  return renamed(graph, names);
}
