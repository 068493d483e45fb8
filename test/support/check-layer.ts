/** One layer against the reference kernels, bit for bit, on V8 and on wasm3. */
import { expect } from "vitest";
import { emitterOf } from "../../src/emit/emitters.ts";
import { elementCount, type Graph, producerOf, tensorOf } from "../../src/graph/graph.ts";
import { integerOf } from "../../src/graph/grid.ts";
import { runGraph } from "../../src/graph/run.ts";
import { type Draft, INPUT_BUFFER } from "../../src/plan/draft.ts";
import type { Kernel } from "../../src/plan/kernel.ts";
import { type InputLayout, Matcher } from "../../src/plan/matcher.ts";
import type { Layer } from "../../src/plan/plan.ts";
import { channelsLast, elementBytes } from "./elements.ts";
import { randomFrom } from "./random.ts";
import { emitKernel, runKernel } from "./run-kernel.ts";

/**
 * @param graph whose only output the kernel makes; tensors that it reads are computed by the reference
 * @param seed of the input, whose integers cover its grid, both ends included
 * @returns the draft, to see how the layer was planned
 */
export function checkLayer(graph: Graph, draft: Kernel["draft"], seed: number, layout: InputLayout = "CHW"): Draft {
  const match = new Matcher(graph, layout);
  const [name] = graph.outputs as [string];
  const planned = draft(match, producerOf(graph, name)!);
  if (!planned) throw new Error("the kernel does not know the layer");
  const random = randomFrom(seed);
  const { shape, grid } = tensorOf(graph, graph.input);
  const { min, max, step } = grid!;
  const integers = Float64Array.from({ length: elementCount(shape) }, () =>
    random() < 0.1 ? min : random() < 0.1 ? max : min + Math.floor(random() * (max - min + 1)),
  );
  const values = runGraph(
    graph,
    integers.map((n) => n * step),
  );
  const stored = (tensor: string, planar = false): Uint8Array => {
    const { shape, grid } = tensorOf(graph, tensor);
    const own = values.get(tensor)!.map((value) => integerOf(value, grid!));
    return elementBytes(shape.length === 3 && !planar ? channelsLast(own, shape) : own, grid!);
  };
  const inputs = new Map<string, Uint8Array>();
  for (const buffer of planned.buffers) {
    if (buffer.name === INPUT_BUFFER) inputs.set(buffer.name, stored(graph.input, layout === "CHW"));
    else if (buffer.name !== name && graph.tensors.has(buffer.name)) inputs.set(buffer.name, stored(buffer.name));
  }
  const kernel = emitKernel(planned, (code, layer: Layer, context) => {
    const { scratch, weights, loadsItself } = layer;
    const load = context.loadWeights(code.i32(scratch.address), context.weightsAt(), code.i32(weights.bytes));
    return code.block(...(loadsItself ? [] : [load]), emitterOf(layer)(code, layer, context));
  });
  const expected = stored(name);
  for (const engine of ["v8", "wasm3"] as const)
    expect(runKernel(kernel, engine, inputs, name).subarray(0, expected.length), engine).toEqual(expected);
  return planned;
}
