/** The passes in their order; the graph is verified after each. */
import type { Graph } from "../graph/graph.ts";
import { verifyGraph } from "../graph/verify.ts";
import { centerBytes } from "./center-bytes.ts";
import { dropIdentity } from "./drop-identity.ts";
import { foldChains } from "./fold-chains.ts";
import { foldPad } from "./fold-pad.ts";
import { groundInput } from "./ground-input.ts";
import type { Notes } from "./notes.ts";
import { raiseQuantisers } from "./raise-quantisers.ts";
import { splitScales } from "./split-scales.ts";
import { storeOperands } from "./store-operands.ts";
import { trimOutput } from "./trim-output.ts";

export const PASSES: readonly { name: string; run: (graph: Graph, notes: Notes) => Graph }[] = [
  { name: "trim-output", run: trimOutput },
  { name: "ground-input", run: groundInput },
  { name: "split-scales", run: splitScales },
  { name: "drop-identity", run: dropIdentity },
  { name: "fold-pad", run: foldPad },
  { name: "raise-quantisers", run: raiseQuantisers },
  { name: "store-operands", run: storeOperands },
  { name: "fold-chains", run: foldChains },
  { name: "center-bytes", run: centerBytes },
];

/**
 * @param seen is shown the graph behind each pass
 * @param notes takes what passes have to say
 */
export function runPasses(
  graph: Graph,
  seen: (pass: string, graph: Graph) => void = () => undefined,
  notes: Notes = [],
): Graph {
  return PASSES.reduce((current, { name, run }) => {
    const next = verifyGraph(run(current, notes));
    seen(name, next);
    return next;
  }, graph);
}
