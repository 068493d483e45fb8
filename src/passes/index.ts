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

export function runPasses(graph: Graph): Graph {
  return PASSES.reduce((current, pass) => verifyGraph(pass.run(current)), graph);
}
