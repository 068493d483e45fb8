/**
 * Random networks from ONNX to bytes: the module's result is the reference's on V8 and on wasm3, and where all scales are powers of two
 * also onnxruntime's. HEDGE_RUNS says how many (`make nightly` tries thousands).
 */
import fc from "fast-check";
import { expect, it } from "vitest";
import { type Compilation, compileModel } from "../src/bundle/compile.ts";
import { openEngine } from "../src/engine/open.ts";
import { HedgeError } from "../src/errors.ts";
import { compareLayers } from "../src/explore/compare.ts";
import { tensorOf } from "../src/graph/graph.ts";
import { runGraph } from "../src/graph/run.ts";
import { encodeModel } from "../src/import/onnx/codec.ts";
import { randomImages } from "./support/random.ts";
import { type NetworkShape, randomNetwork } from "./support/random-network.ts";

const RUNS = Number(process.env.HEDGE_RUNS ?? 200);

const network: fc.Arbitrary<NetworkShape> = fc.record({
  depth: fc.integer({ min: 1, max: 7 }),
  exact: fc.boolean(),
  seed: fc.nat(2 ** 31 - 1),
});

/** The output's integers by the reference kernels of the lowered graph. */
function reference({ graph, plan, bundle }: Compilation, image: Int8Array): number[] {
  const { tensor, step } = plan.output!;
  const values = runGraph(
    graph,
    Float64Array.from(image, (level) => level * bundle.manifest.input.pixelStep),
  );
  expect(tensorOf(graph, tensor).grid!.step).toBe(step);
  return [...values.get(tensor)!].map((value) => Math.round(value / step));
}

/** Undefined where a network needs more memory than a module has, which the grammar does not keep in check. */
async function compiled(model: Uint8Array, file: string): Promise<Compilation | undefined> {
  try {
    return await compileModel(model, file);
  } catch (error) {
    if (error instanceof HedgeError && error.code === "H405") return undefined;
    throw error;
  }
}

it(
  `${RUNS} random networks`,
  async () => {
    let count = 0;
    await fc.assert(
      fc.asyncProperty(network, async (shape) => {
        const { model, input } = randomNetwork(shape);
        const compilation = await compiled(encodeModel(model), `network-${shape.seed}.onnx`);
        if (!compilation) return;
        const images = randomImages(2, input, shape.seed);
        for (const engine of ["v8", "wasm3"] as const) {
          const module = openEngine(compilation.bundle, engine);
          for (const image of images)
            expect([...module.classify(image).logits], engine).toEqual(reference(compilation, image));
          module.close();
        }
        if (shape.exact && compilation.notes.length === 0) {
          const { firstDiverging } = await compareLayers(compilation, model, "network.onnx", images, () => undefined);
          expect(firstDiverging).toBeUndefined();
        }
        count++;
      }),
      { numRuns: RUNS, endOnFailure: process.env.HEDGE_RUNS === undefined },
    );
    expect(count).toBeGreaterThan(0.98 * RUNS);
  },
  RUNS * 2_000,
);
