/** Convolutions in SWAR lanes against the reference kernels. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { draftLaneConv } from "../../src/plan/lane-conv.ts";
import { checkLayer } from "../support/check-layer.ts";
import { type ConvShape, convGraph, convShapes, denseGraph, INT8, ODD, PLAIN, UINT8 } from "../support/random-conv.ts";

const check = (shape: ConvShape) => checkLayer(convGraph(shape), draftLaneConv, shape.seed);

describe("a convolution in lanes equals the reference", () => {
  it("of the host's image, plane by plane", () => expect(check({ ...PLAIN, stored: false }).why).toContain("3 lanes"));

  it("of the host's image, pixel by pixel", () =>
    expect(checkLayer(convGraph({ ...PLAIN, stored: false }), draftLaneConv, 5, "HWC").why).toContain("3 lanes"));

  it.each(ODD)("from %i channels to as many", (channels) => {
    check({ ...PLAIN, input: [channels, 4, 5], outputs: channels });
  });

  it("with four lanes where few bits meet", () =>
    expect(check({ ...PLAIN, activations: { min: 0, max: 15 }, weights: { min: -8, max: 7 } }).why).toContain(
      "4 lanes",
    ));

  it("of 16-bit activations and weights, and of a single output", () => {
    check({ ...PLAIN, activations: { min: -32768, max: 32767 }, padInteger: -7 });
    const wide = { ...PLAIN, activations: { min: -32768, max: 32767 }, weights: { min: -3000, max: 3000 } };
    check({ ...wide, kernel: [1, 1], pads: [0, 0, 0, 0] });
    expect(check({ ...PLAIN, outputs: 1 }).why).toContain("1 lane ");
  });

  it("in parts, where its weights do not fit into the scratch area", () => {
    expect(check({ ...PLAIN, input: [64, 3, 3], outputs: 64, shortcut: true }).why).toContain("parts");
    expect(check({ ...PLAIN, input: [64, 3, 3], outputs: 61, shortcut: true }).why).toContain("parts");
  });

  it("padded with whatever the input's type holds", () => {
    check({ ...PLAIN, activations: UINT8, padInteger: 255 });
    check({ ...PLAIN, activations: UINT8, padInteger: 7 });
    check({ ...PLAIN, activations: INT8, padInteger: -128 });
  });

  it("ending in a shift, where sums start with the bias", () => {
    for (const outputs of [16, 15, 2])
      for (const stored of [true, false]) check({ ...PLAIN, outputs, stored, ending: "shift" });
    check({ ...PLAIN, ending: "shift", weights: { min: -8, max: 7 }, outputs: 33 });
  });

  it("in groups", () => {
    check({ ...PLAIN, input: [12, 4, 5], outputs: 6, group: 3 });
    check({ ...PLAIN, input: [32, 4, 5], outputs: 64, group: 2, shortcut: true });
    check({ ...PLAIN, input: [4, 4, 5], outputs: 8, group: 4, stored: false });
  });

  it("over random shapes", () => {
    const cases = fc.record({
      ...convShapes,
      activations: fc.constantFrom(INT8, UINT8, { min: 0, max: 15 }, { min: -300, max: 1000 }),
      weights: fc.constantFrom(INT8, { min: -8, max: 7 }, { min: 0, max: 200 }, { min: -1, max: 1 }),
      padInteger: fc.constantFrom(0, 3),
    });
    fc.assert(
      fc.property(cases, (c) => {
        checkLayer(convGraph({ ...c, group: 1, stored: c.stored || c.activations.max > 255 }), draftLaneConv, c.seed);
      }),
      { numRuns: 60 },
    );
  });

  it("a fully connected layer, on a flattened map as well", () => {
    for (const input of [
      [1, 1, 1],
      [33, 1, 1],
      [130, 1, 1],
      [5, 4, 3],
    ] as const)
      for (const stored of [true, false])
        checkLayer(denseGraph({ ...PLAIN, input, stored, outputs: 10 }), draftLaneConv, 3);
  });
});
