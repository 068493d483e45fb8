/** Fully connected layers against the reference kernels. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { draftDense } from "../../src/plan/dense.ts";
import { checkLayer } from "../support/check-layer.ts";
import { type ConvShape, denseGraph, INT8, ODD, UINT8 } from "../support/random-conv.ts";

const BASE = { seed: 4, activations: INT8, weights: INT8, ending: "requant", shortcut: false, stored: true } as const;

describe("a fully connected layer equals the reference", () => {
  it.each(ODD)("from %i inputs to 10 outputs", (inputs) => {
    checkLayer(denseGraph({ ...BASE, input: [inputs, 1, 1], outputs: 10 }), draftDense, inputs);
  });

  it("with weights of four bits, 16 to a word", () => {
    for (const weights of [
      { min: -8, max: 7 },
      { min: 0, max: 15 },
    ])
      expect(checkLayer(denseGraph({ ...BASE, weights, input: [37, 1, 1], outputs: 35 }), draftDense, 8).why).toContain(
        "16 outputs",
      );
  });

  it("in parts of its inputs", () => {
    const draft = checkLayer(denseGraph({ ...BASE, input: [1301, 1, 1], outputs: 3 }), draftDense, 1);
    expect(draft.why).toContain("3 parts");
  });

  it("on a flattened map, in whose memory channels are innermost", () => {
    checkLayer(denseGraph({ ...BASE, input: [5, 4, 3], outputs: 9 }), draftDense, 6);
    checkLayer(denseGraph({ ...BASE, input: [5, 4, 3], outputs: 9, stored: false }), draftDense, 6);
  });

  it("over random shapes", () => {
    const cases = fc.record({
      seed: fc.nat(1e6),
      input: fc.tuple(fc.integer({ min: 1, max: 130 }), fc.constant(1), fc.constant(1)),
      outputs: fc.integer({ min: 1, max: 33 }),
      activations: fc.constantFrom(INT8, UINT8, { min: 0, max: 3 }, { min: -300, max: 1000 }),
      weights: fc.constantFrom(INT8, { min: -1, max: 1 }, { min: 0, max: 255 }, { min: -5, max: 200 }),
      ending: fc.constantFrom<ConvShape["ending"]>("requant", "requant16", "shift", 2, 16),
    });
    fc.assert(
      fc.property(cases, (c) => {
        checkLayer(denseGraph({ ...BASE, ...c }), draftDense, c.seed);
      }),
      { numRuns: 50 },
    );
  });
});
