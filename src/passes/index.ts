/** The passes in their order; the graph is verified after each. */
import type { Graph } from "../graph/graph.ts";
import { verifyGraph } from "../graph/verify.ts";
import { dropIdentity } from "./drop-identity.ts";
import { foldBatchNorm } from "./fold-batch-norm.ts";
import { foldPad } from "./fold-pad.ts";

export const PASSES: readonly { name: string; run: (graph: Graph) => Graph }[] = [
  { name: "drop-identity", run: dropIdentity },
  { name: "fold-pad", run: foldPad },
  { name: "fold-batch-norm", run: foldBatchNorm },
];

/** @param seen is shown the graph behind each pass */
export function runPasses(graph: Graph, seen: (pass: string, graph: Graph) => void = () => undefined): Graph {
  return PASSES.reduce((current, { name, run }) => {
    const next = verifyGraph(run(current));
    seen(name, next);
    return next;
  }, graph);
}
