/** Networks as real exporters write them, from the file to the module: what it computes is what the reference kernels compute. */
import { describe, expect, it } from "vitest";
import { compileModel } from "../src/bundle/compile.ts";
import { tensorOf } from "../src/graph/graph.ts";
import { runGraph } from "../src/graph/run.ts";
import { encodeModel } from "../src/import/onnx/codec.ts";
import type { Layer } from "../src/plan/plan.ts";
import { unpackPayload } from "../src/wire/payload.ts";
import { type ZooOptions, zooModel } from "../src/zoo/zoo.ts";
import { checkPlanned, randomSample } from "./support/run-graph.ts";
import { runSteps } from "./support/run-module.ts";

async function compileZoo(name: string, options: ZooOptions) {
  return compileModel(encodeModel(zooModel(name, options)), `${name}.onnx`);
}

async function check(name: string, options: ZooOptions): Promise<readonly Layer[]> {
  const { graph, plan, bundle } = await compileZoo(name, options);
  checkPlanned(graph, plan, [randomSample(graph, 1)], bundle.manifest.input.layout);
  return plan.layers;
}

describe("a module equals the reference:", () => {
  const small = ["mlp", "mobilenet-v1-block", "mobilenet-v2-block", "ds-cnn"];
  const flavours = ["brevitas", "qkeras", "qdq"];
  it.each(small.flatMap((name) => flavours.map((flavour) => [name, flavour] as const)))(
    "%s by %s",
    async (...named) => {
      const [name, flavour] = named;
      expect((await check(name, { flavour })).at(-1)!.kind).toBe("outputs");
    },
  );

  it.each([
    ["resnet8", "qkeras"],
    ["resnet8", "qdq"],
    ["autoencoder", "qkeras"],
  ])("%s by %s", async (name, flavour) => {
    expect((await check(name, { flavour })).at(-1)!.kind).toBe("outputs");
  });

  it.each(["resnet8-4e", "resnet32-20e"])("the hybrid %s", async (name) => {
    const compilation = await compileZoo(name, {});
    const { graph, plan } = compilation;
    const [logits, cut] = graph.outputs as [string, string];
    const { step } = tensorOf(graph, graph.input).grid!;
    const sample = randomSample(graph, 1);
    const values = runGraph(
      graph,
      Float64Array.from(sample, (n) => n * step),
    );
    for (const engine of ["v8", "wasm3"] as const) {
      const outputs = runSteps(compilation, engine, Int8Array.from(sample));
      const row = new Int32Array(outputs.get(logits)!.buffer);
      expect(Float64Array.from(row.subarray(3), (n) => n * plan.logitStep!)).toEqual(values.get(logits));
      expect(unpackPayload(plan.payload!, outputs.get("payload")!)).toEqual(Float32Array.from(values.get(cut)!));
    }
  });

  const depths = [
    [1, 1],
    [1, 2],
    [2, 2],
    [3, 3],
    [4, 4],
    [8, 8],
    [2, 8],
  ] as const;
  it.each(depths)("weights of %i bits, activations of %i", async (weights, activations) => {
    for (const flavour of ["brevitas", "qkeras"])
      for (const name of ["mlp", "mobilenet-v2-block"]) {
        const layers = await check(name, { flavour, bits: { weights, activations } });
        const told = layers.map(({ weightBits, activationBits }) => [weightBits, activationBits]);
        expect(told).toContainEqual([weights, activations]);
      }
  });
});
