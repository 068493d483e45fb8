/** Runs a lowered graph as a module of its own, on V8 and on wasm3, and holds its result row to the reference kernels. */
import { expect } from "vitest";
import { emitModule } from "../../src/emit/module.ts";
import { elementCount, type Graph, tensorOf } from "../../src/graph/graph.ts";
import { runGraph } from "../../src/graph/run.ts";
import { verifyGraph } from "../../src/graph/verify.ts";
import { elementOf } from "../../src/plan/element.ts";
import type { InputLayout } from "../../src/plan/matcher.ts";
import type { Plan } from "../../src/plan/plan.ts";
import { type PlanOptions, planModel } from "../../src/plan/planner.ts";
import { elementOffsets, rowMajorStrides, storageStrides } from "../../src/plan/view.ts";
import { randomFrom } from "./random.ts";
import { OPENERS } from "./run-module.ts";

const STACK_BYTES = 2048;

/** Integers of the input's grid, at random, in the order of its shape. */
export function randomSample(graph: Graph, seed: number): Int32Array {
  const { shape, grid } = tensorOf(graph, graph.input);
  const random = randomFrom(seed);
  const { min, max } = grid!;
  return Int32Array.from({ length: elementCount(shape) }, () => min + Math.floor(random() * (max - min + 1)));
}

/** A sample as a host writes it. */
function sampleBytes(graph: Graph, sample: Int32Array, layout: InputLayout): Uint8Array {
  const { shape, grid } = tensorOf(graph, graph.input);
  const { bytes } = elementOf(grid!);
  const strides = layout === "HWC" ? storageStrides(shape) : rowMajorStrides(shape);
  const places = elementOffsets({ root: "", offset: 0, dims: shape, strides });
  const data = new DataView(new ArrayBuffer(bytes * sample.length));
  sample.forEach((n, i) => {
    if (bytes === 1) data.setInt8(places[i]!, n);
    else if (bytes === 2) data.setInt16(2 * places[i]!, n, true);
    else data.setInt32(4 * places[i]!, n, true);
  });
  return new Uint8Array(data.buffer);
}

/** @returns the row of an edge-only graph: label, exited, entropy, elements */
export function runRow(
  graph: Graph,
  plan: Plan,
  engine: "v8" | "wasm3",
  sample: Int32Array,
  layout: InputLayout = "CHW",
): number[] {
  const edgeWasm = emitModule(plan);
  const module = OPENERS[engine]({ edgeWasm, plan, memoryBytes: plan.memoryBytes, stackBytes: STACK_BYTES });
  // Whatever lay in memory before must not matter.
  module.write(0, new Uint8Array(plan.memoryBytes).fill(0xa5));
  module.write(plan.input.address, sampleBytes(graph, sample, layout));
  plan.steps.forEach((_, index) => {
    expect(module.step(index)).toBe(index === plan.steps.length - 1 ? 1 : 0);
  });
  const elements = elementCount(plan.output!.shape);
  const row = module.read({ address: plan.result.address, bytes: 12 + 4 * elements });
  module.close();
  return [...new Int32Array(row.buffer)];
}

/**
 * Plans and runs an edge-only graph on samples.
 * @returns the plan, for those who ask which kernels it took
 */
export function checkGraph(graph: Graph, samples: readonly Int32Array[], options: PlanOptions = {}): Plan {
  verifyGraph(graph);
  const plan = planModel(graph, options);
  checkPlanned(graph, plan, samples, options.inputLayout);
  return plan;
}

/** Holds a plan of an edge-only graph to the reference, on both engines. */
export function checkPlanned(
  graph: Graph,
  plan: Plan,
  samples: readonly Int32Array[],
  layout: InputLayout = "CHW",
): void {
  const { grid: inputGrid } = tensorOf(graph, graph.input);
  for (const sample of samples) {
    const values = runGraph(
      graph,
      Float64Array.from(sample, (n) => n * inputGrid!.step),
    );
    const { tensor, labels, step } = plan.output!;
    const integers = [...values.get(tensor)!].map((value) => Math.round(value / step));
    const label = labels ? integers.indexOf(Math.max(...integers)) : -1;
    for (const engine of ["v8", "wasm3"] as const)
      expect(runRow(graph, plan, engine, sample, layout), engine).toEqual([label, 1, 0, ...integers]);
  }
}
