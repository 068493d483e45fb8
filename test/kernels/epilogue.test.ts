/** Epilogues against the reference kernels: every rounding mode, thresholds, shortcuts, in 32 and in 64 bits. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Code, Expression } from "../../src/emit/code.ts";
import { loadElement } from "../../src/emit/element.ts";
import { OutputWriter } from "../../src/emit/epilogue.ts";
import { GraphBuilder } from "../../src/graph/build.ts";
import { type Graph, producerOf, tensorOf } from "../../src/graph/graph.ts";
import { integerOf } from "../../src/graph/grid.ts";
import { INTEGER_ROUNDING } from "../../src/graph/operators/requant.ts";
import { runGraph } from "../../src/graph/run.ts";
import { readChain } from "../../src/plan/chain.ts";
import { type Epilogue, planEpilogue } from "../../src/plan/epilogue.ts";
import type { Region } from "../../src/plan/plan.ts";
import { elementBytes } from "../support/elements.ts";
import { randomFrom } from "../support/random.ts";
import { emitKernel, runKernel } from "../support/run-kernel.ts";

interface Layer {
  readonly epilogue: Epilogue;
  readonly raw: Region;
  readonly records: Region;
  readonly output: Region;
  readonly channels: number;
}

/** Hands an i32 per channel to the epilogue, and nothing else. */
function emitEpilogueAlone(code: Code, { epilogue, raw, records, output, channels }: Layer): Expression {
  const writer = new OutputWriter(code, epilogue, output);
  const [from, record] = [code.pointer(), code.pointer()];
  return code.block(
    ...writer.start(),
    from.set(code.i32(raw.address)),
    record.set(code.i32(records.address)),
    code.repeat(channels, [
      ...writer.store(loadElement(code, { bytes: 4, signed: true }, 0, from.get), record, 0),
      ...writer.advance(1),
      from.advance(4),
      record.advance(epilogue.recordBytes),
    ]),
  );
}

/**
 * The graph's root is the identity of its input: a vector with one element per channel.
 * @param raw what a kernel would sum up: the root's integers are raw * 2 - 3
 */
function check(graph: Graph, raw: Int32Array, input: Float64Array): void {
  const [name] = graph.outputs as [string];
  const grid = tensorOf(graph, name).grid!;
  const values = runGraph(graph, input);
  const expected = elementBytes(
    values.get(name)!.map((v) => integerOf(v, grid)),
    grid,
  );
  const root = tensorOf(graph, graph.input).grid!;
  const chain = readChain(graph, producerOf(graph, name)!, (node) => node.op === "identity")!;
  const sums = Array.from(raw, () => ({ min: (root.min + 3) / 2, max: (root.max + 3) / 2, factor: 2, bias: -3 }));
  const draft = planEpilogue(graph, chain, sums);
  const records = draft.records.flatMap((record) => [...record]);
  const shortcut = draft.shortcut?.tensor;
  const module = emitKernel(
    {
      buffers: [
        { name: "raw", bytes: raw.byteLength },
        { name: "records", bytes: records.length },
        { name: "output", bytes: expected.length },
        ...(draft.shortcut ? [{ name: draft.shortcut.tensor, bytes: draft.shortcut.bytes }] : []),
      ],
      weights: new Uint8Array(0),
      finish: (region): Layer => ({
        epilogue: draft.finish(region),
        raw: region("raw"),
        records: region("records"),
        output: region("output"),
        channels: raw.length,
      }),
    },
    emitEpilogueAlone,
  );
  const inputs = new Map([
    ["raw", new Uint8Array(raw.buffer)],
    ["records", Uint8Array.from(records)],
  ]);
  if (shortcut) {
    const stored = tensorOf(graph, shortcut).grid!;
    inputs.set(
      shortcut,
      elementBytes(
        values.get(shortcut)!.map((v) => integerOf(v, stored)),
        stored,
      ),
    );
  }
  for (const engine of ["v8", "wasm3"] as const)
    expect(runKernel(module, engine, inputs, "output"), engine).toEqual(expected);
}

const STEP = 0.375;

/** Sums with their extremes, zero and neighbours, around which roundings differ. */
function rawSums(random: () => number, channels: number, reach: number): Int32Array {
  const special = [0, 1, 2, -1, reach, -reach];
  return Int32Array.from({ length: channels }, (_, k) =>
    random() < 0.3 ? special[k % special.length]! : Math.round((2 * random() - 1) * reach),
  );
}

function start(raw: Int32Array, reach: number): { builder: GraphBuilder; input: Float64Array } {
  const builder = new GraphBuilder("epilogue");
  builder.input("x", [raw.length], { step: STEP, min: -2 * reach - 3, max: 2 * reach - 3 });
  builder.node("identity", ["x"], "root");
  return { builder, input: Float64Array.from(raw, (n) => (2 * n - 3) * STEP) };
}

const integers = (random: () => number, count: number, reach: number): number[] =>
  Array.from({ length: count }, () => Math.round((2 * random() - 1) * reach));

describe("the epilogue equals the reference", () => {
  it.each(Object.keys(INTEGER_ROUNDING))("requantising by %s, halves and negative values included", (rounding) => {
    for (const [shift, multiplier] of [
      [0, 1],
      [1, 1],
      [2, 3],
      [3, 1],
      [13, 900],
      [30, 2 ** 29],
      [40, 2 ** 31],
    ] as const) {
      // 0.5, 1.5, ... and what lies between, on both sides of zero.
      const raw = Int32Array.from({ length: 65 }, (_, k) => k - 32);
      const { builder, input } = start(raw, 32);
      builder.constant("m", [1], [multiplier]);
      builder.constant("o", [1], [3 * multiplier + 2 ** Math.max(shift - 1, 0) * (shift > 0 ? 1 : 0)]);
      builder.node("requant", ["root", "m", "o"], "y", { shift, rounding, low: -20, high: 21, zero: -2, scale: 0.1 });
      check(builder.build(["y"]), raw, input);
    }
  });

  it("over random requantisations, with and without a shortcut", () => {
    const cases = fc.record({
      seed: fc.nat(1e6),
      channels: fc.constantFrom(1, 3, 31, 64),
      reach: fc.constantFrom(5, 200, 70_000, 9_000_000),
      multiplierBits: fc.integer({ min: 0, max: 24 }),
      perChannel: fc.boolean(),
      shift: fc.integer({ min: 0, max: 40 }),
      rounding: fc.constantFrom(...Object.keys(INTEGER_ROUNDING)),
      output: fc.constantFrom([0, 255], [-128, 127], [-8, 7], [0, 65535], [-32768, 32767], [-(2 ** 30), 2 ** 30]),
      zero: fc.constantFrom(0, 7, -3),
      shortcut: fc.constantFrom("none", "add", "sub", "from"),
      alpha: fc.boolean(),
    });
    fc.assert(
      fc.property(cases, (c) => {
        const random = randomFrom(c.seed);
        const raw = rawSums(random, c.channels, c.reach);
        const { builder, input } = start(raw, c.reach);
        let tensor = "root";
        if (c.alpha) {
          builder.constant(
            "alpha",
            [c.channels],
            integers(random, c.channels, 15).map((n) => (c.channels === 1 ? 0.5 : (n || 3) * 0.25)),
          );
          tensor = builder.node("mul", [tensor, "alpha"], "scaled");
        }
        const bias = integers(random, c.channels, 99).map((n) => n * STEP);
        builder.constant("bias", [c.channels], bias, { step: STEP, min: -99, max: 99 });
        tensor = builder.node("add", [tensor, "bias"], "biased");
        if (c.shortcut !== "none") {
          const other = builder.node("quant", ["x"], "s", {
            bits: 8,
            signed: 1,
            narrow: 0,
            rounding: "FLOOR",
            scale: STEP * 8,
            zero: 0,
          });
          const operands = c.shortcut === "from" ? [other, tensor] : [tensor, other];
          tensor = builder.node(c.shortcut === "add" ? "add" : "sub", operands, "sum");
        }
        const count = c.perChannel ? c.channels : 1;
        builder.constant("m", [count], integers(random, count, 2 ** c.multiplierBits));
        builder.constant("o", [count], integers(random, count, 2 ** c.shift));
        const [low, high] = c.output as [number, number];
        const { shift, rounding, zero } = c;
        builder.node("requant", [tensor, "m", "o"], "y", { shift, rounding, low, high, zero, scale: 0.3 });
        check(builder.build(["y"]), raw, input);
      }),
      { numRuns: 60 },
    );
  });

  it("over random thresholds, rising and falling", () => {
    const cases = fc.record({
      seed: fc.nat(1e6),
      channels: fc.constantFrom(1, 3, 33),
      levels: fc.constantFrom(2, 3, 4, 8, 16),
      reach: fc.constantFrom(6, 300, 70_000),
      falling: fc.constantFrom(0, 0.5, 1),
      offset: fc.constantFrom(-0.5, 0, -2),
      shortcut: fc.boolean(),
    });
    fc.assert(
      fc.property(cases, (c) => {
        const random = randomFrom(c.seed);
        const raw = rawSums(random, c.channels, c.reach);
        const { builder, input } = start(raw, c.reach);
        let tensor = "root";
        if (c.shortcut) {
          builder.node("quant", ["x"], "s", { bits: 4, signed: 1, narrow: 0, rounding: "FLOOR", scale: STEP, zero: 0 });
          tensor = builder.node("add", ["root", "s"], "sum");
        }
        const rows = Array.from({ length: c.channels }, () =>
          integers(random, c.levels - 1, 2.5 * c.reach).sort((a, b) => a - b),
        );
        builder.constant("t", [c.channels, c.levels - 1], rows.flat());
        builder.node("threshold", [tensor, "t"], "y", {
          rising: rows.map(() => (random() < c.falling ? 0 : 1)),
          scale: 0.5,
          offset: c.offset,
          inputStep: STEP,
        });
        check(builder.build(["y"]), raw, input);
      }),
      { numRuns: 40 },
    );
  });
});
