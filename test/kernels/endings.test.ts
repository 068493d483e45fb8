/** How hybrid modules end: the exit rule on logits of any layer, and payloads of any stored tensor. */
import { describe, expect, it } from "vitest";
import { emitModule } from "../../src/emit/module.ts";
import { GraphBuilder } from "../../src/graph/build.ts";
import { integerEntropy } from "../../src/graph/entropy.ts";
import type { Graph } from "../../src/graph/graph.ts";
import { integerOf } from "../../src/graph/grid.ts";
import { runGraph } from "../../src/graph/run.ts";
import type { Plan } from "../../src/plan/plan.ts";
import { planModel } from "../../src/plan/planner.ts";
import { unpackPayload } from "../../src/wire/payload.ts";
import { randomFrom } from "../support/random.ts";
import { randomSample } from "../support/run-graph.ts";
import { OPENERS } from "../support/run-module.ts";

const SHAPE = [5, 3, 4] as const;
const NATS = 2 ** 16;

interface Ran {
  readonly steps: number;
  readonly row: number[];
  readonly payload: Uint8Array;
}

function run(plan: Plan, engine: "v8" | "wasm3", sample: Int32Array, threshold: number): Ran {
  const module = OPENERS[engine]({ edgeWasm: emitModule(plan), plan, memoryBytes: plan.memoryBytes, stackBytes: 2048 });
  module.write(0, new Uint8Array(plan.memoryBytes).fill(0xa5));
  module.write(plan.threshold, new Uint8Array(Int32Array.of(threshold).buffer));
  module.write(plan.input.address, new Uint8Array(Int8Array.from(sample).buffer));
  let steps = 1;
  while (module.step(steps - 1) === 0) steps++;
  const row = [...new Int32Array(module.read({ address: plan.result.address, bytes: 12 + 4 * 4 }).buffer)];
  const payload = module.read(plan.payload!);
  module.close();
  return { steps, row, payload };
}

/** @param cut adds the cut's node, whose input is the image */
function hybrid(cut: (builder: GraphBuilder) => string, poolBits = 8): Graph {
  const builder = new GraphBuilder("hybrid");
  builder.input("x", SHAPE, { step: 2 ** -5, min: -128, max: 127 });
  const random = randomFrom(5);
  const weights = Array.from({ length: 4 * 60 }, () => Math.floor(random() * 15 - 7) * 2 ** -3);
  builder.constant("w", [4, 60], weights);
  const wide = { bits: poolBits, signed: 1, narrow: 0, rounding: "FLOOR", scale: 2 ** (3 - poolBits), zero: 0 };
  builder.node("quant", ["x"], "q", wide);
  builder.node("flatten", ["q"], "flat");
  builder.node("gemm", ["flat", "w"], "logits");
  return builder.build(["logits", cut(builder)]);
}

const quant = (bits: number, signed: number) => (builder: GraphBuilder) =>
  builder.node("quant", ["x"], "cut", { bits, signed, narrow: 0, rounding: "FLOOR", scale: 2 ** (2 - bits), zero: 0 });

/** Runs both ways out, and holds the row and the payload to the reference. */
function check(graph: Graph): { offloaded: Ran; exited: Ran; plan: Plan } {
  const plan = planModel(graph);
  const sample = randomSample(graph, 3);
  const values = runGraph(
    graph,
    Float64Array.from(sample, (n) => n * 2 ** -5),
  );
  const { grid } = graph.tensors.get("logits")!;
  const logits = [...values.get("logits")!].map((value) => integerOf(value, grid!));
  const label = logits.indexOf(Math.max(...logits));
  const entropy = integerEntropy(logits, Math.log2(grid!.step));
  const ran = (["v8", "wasm3"] as const).map((engine) => {
    const offloaded = run(plan, engine, sample, 0);
    expect(offloaded.row).toEqual([label, 0, entropy, ...logits]);
    expect(unpackPayload(plan.payload!, offloaded.payload)).toEqual(Float32Array.from(values.get("cut")!));
    expect(offloaded.steps).toBe(plan.steps.length);
    const exited = run(plan, engine, sample, 100 * NATS);
    expect(exited.row).toEqual([label, 1, entropy, ...logits]);
    return { offloaded, exited, plan };
  });
  return ran[0]!;
}

const kinds = ({ layers }: Plan): string[] => layers.map(({ kind }) => kind);

describe("a hybrid module ends", () => {
  it.each([
    [1, 0],
    [2, 1],
    [4, 0],
    [4, 1],
    [8, 0],
    [8, 1],
    [3, 1],
  ])("with a payload of %i bits, signed %i", (bits, signed) => {
    check(hybrid(quant(bits, signed)));
  });

  it("with a payload of signs that a layer stored", () => {
    const { plan } = check(
      hybrid((builder) => {
        const bytes = { bits: 8, signed: 0, narrow: 0, rounding: "FLOOR", scale: 2 ** -6, zero: 0 };
        builder.node("quant", ["x"], "positive", bytes);
        const thresholds = Array.from({ length: 5 }, (_, c) => 7 * c + 1);
        builder.constant("t", [5, 1], thresholds);
        const attributes = { rising: [1, 1, 0, 1, 0], scale: 2, offset: -0.5, inputStep: 2 ** -6 };
        return builder.node("threshold", ["positive", "t"], "cut", attributes);
      }),
    );
    expect(kinds(plan)).toContain("pack");
    expect(plan.payload).toMatchObject({ bits: 1, scale: 2, offset: -0.5 });
  });

  it("with the exit rule on logits of 16-bit features", () => {
    const { plan } = check(hybrid(quant(8, 1), 12));
    expect(kinds(plan)).toContain("exit-decision");
  });

  it("and runs what only the payload needs after the exit has declined", () => {
    const { plan, exited, offloaded } = check(hybrid(quant(2, 1)));
    expect(kinds(plan).slice(-2)).toEqual(["table", "pack"]);
    expect(exited.steps).toBeLessThan(offloaded.steps);
  });
});
