/** Each pass on random networks: what it leaves computes what it found, to the last integer, unless it says that it does not. */
import fc from "fast-check";
import { expect, it } from "vitest";
import { type Graph, tensorOf } from "../src/graph/graph.ts";
import { runGraph } from "../src/graph/run.ts";
import { verifyGraph } from "../src/graph/verify.ts";
import { importModel } from "../src/import/import.ts";
import { PASSES } from "../src/passes/index.ts";
import type { Note } from "../src/passes/notes.ts";
import { randomImages } from "./support/random.ts";
import { randomNetwork } from "./support/random-network.ts";

const RUNS = 40;
/** Doubles of the same sums in another order. */
const TOLERANCE = 1e-9;
/** Float32 runtimes may see these otherwise; the graph's own kernels do not. */
const ABOUT_RUNTIMES = /^Rounding to float32/;

function outputOf(graph: Graph, image: Int8Array): Float64Array {
  const { step } = tensorOf(graph, graph.input).grid!;
  const values = runGraph(
    graph,
    Float64Array.from(image, (level) => level * step),
  );
  return values.get(graph.outputs[0]!)!;
}

it(`${RUNS} random networks are the same behind every pass`, () => {
  const compared = new Map(PASSES.map(({ name }) => [name, 0]));
  fc.assert(
    fc.property(fc.boolean(), fc.integer({ min: 1, max: 5 }), fc.nat(2 ** 31 - 1), (exact, depth, seed) => {
      const { model, input } = randomNetwork({ exact, depth, seed });
      const [image] = randomImages(1, input, seed) as [Int8Array];
      let graph = importModel(model, "network.onnx").edge;
      let before = outputOf(graph, image);
      for (const { name, run } of PASSES) {
        const notes: Note[] = [];
        graph = verifyGraph(run(graph, notes));
        const after = outputOf(graph, image);
        if (notes.every(({ message }) => ABOUT_RUNTIMES.test(message))) {
          const largest = before.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
          const error = before.reduce((most, v, i) => Math.max(most, Math.abs(v - after[i]!)), 0);
          expect([name, error <= TOLERANCE * largest]).toEqual([name, true]);
          compared.set(name, compared.get(name)! + 1);
        }
        before = after;
      }
    }),
    { numRuns: RUNS },
  );
  for (const [name, count] of compared) expect([name, count >= RUNS / 2]).toEqual([name, true]);
}, 60_000);
