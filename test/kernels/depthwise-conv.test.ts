/** Depthwise convolutions against the reference kernels. */
import fc from "fast-check";
import { describe, it } from "vitest";
import { draftDepthwiseConv } from "../../src/plan/depthwise-conv.ts";
import { checkLayer } from "../support/check-layer.ts";
import { type ConvShape, convGraph, convShapes, INT8, ODD, PLAIN, UINT8 } from "../support/random-conv.ts";

describe("a depthwise convolution equals the reference", () => {
  const check = (shape: Omit<ConvShape, "outputs" | "group">) => {
    const [channels] = shape.input;
    checkLayer(convGraph({ ...shape, outputs: channels, group: channels }), draftDepthwiseConv, shape.seed);
  };
  const base = { ...PLAIN, seed: 2 };

  it.each(ODD)("of %i channels", (channels) => check({ ...base, input: [channels, 5, 4] }));

  it("of the host's image, plane by plane", () => check({ ...base, input: [3, 6, 5], stored: false }));

  it("of a long kernel, as audio has", () =>
    check({ ...base, input: [8, 1, 40], kernel: [1, 25], pads: [0, 12, 0, 12] }));

  it("over random shapes", () => {
    const cases = fc.record({
      ...convShapes,
      activations: fc.constantFrom(INT8, UINT8, { min: 0, max: 3 }, { min: -300, max: 1000 }),
      weights: fc.constantFrom(INT8, { min: -1, max: 1 }, { min: -300, max: 300 }),
      padInteger: fc.constantFrom(0, 3),
    });
    fc.assert(
      fc.property(cases, (c) => check({ ...c, stored: c.stored || c.activations.max > 255 })),
      { numRuns: 50 },
    );
  });
});
