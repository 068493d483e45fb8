/** Convolutions in bit planes against the reference kernels. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { draftPlaneConv } from "../../src/plan/plane-conv.ts";
import { checkLayer } from "../support/check-layer.ts";
import {
  type ConvShape,
  convGraph,
  convShapes,
  denseGraph,
  type Integers,
  ODD,
  PLAIN,
} from "../support/random-conv.ts";

const UINT2: Integers = { min: 0, max: 3 };
const INT2: Integers = { min: -2, max: 1 };
const BASE: ConvShape = { ...PLAIN, seed: 9, input: [16, 6, 5], outputs: 8, activations: UINT2, weights: INT2 };

const check = (shape: ConvShape) => checkLayer(convGraph(shape), draftPlaneConv, shape.seed);

describe("a convolution in bit planes equals the reference", () => {
  it.each(ODD)("from %i channels to as many", (channels) => {
    check({ ...BASE, input: [channels, 4, 5], outputs: channels });
  });

  const signed = (bits: number): Integers => ({ min: -(2 ** (bits - 1)), max: 2 ** (bits - 1) - 1 });
  const unsigned = (bits: number): Integers => ({ min: 0, max: 2 ** bits - 1 });
  it.each([1, 2, 3, 4])("of %i-bit activations with weights of 1 to 4 bits, signed and unsigned", (bits) => {
    for (const weightBits of [1, 2, 3, 4])
      for (const [activations, weights] of [
        [unsigned(bits), signed(weightBits)],
        [signed(bits), unsigned(weightBits)],
      ] as const)
        expect(check({ ...BASE, activations, weights }).why).toContain(`${weightBits} x ${bits} bit planes`);
  });

  it("with one plane for weights of +1 and -1, whatever the channels", () => {
    for (const channels of [3, 8, 33])
      expect(check({ ...BASE, input: [channels, 5, 4], weights: { min: -1, max: 1 }, twoWeights: true }).why).toContain(
        "1 x 2 bit planes",
      );
  });

  it("with one plane for activations of +1 and -1", () => {
    for (const padInteger of [-1, 1])
      expect(check({ ...BASE, activations: { min: -1, max: 1 }, signs: true, padInteger }).why).toContain(
        "2 x 1 bit planes",
      );
    expect(check({ ...BASE, activations: { min: -1, max: 1 }, signs: true }).why).toContain("2 x 2 bit planes");
  });

  it("of the host's image, copied to have its channels innermost", () => {
    const { buffers } = check({ ...BASE, stored: false });
    expect(buffers[0]!.name).toBe("x");
  });

  it("in parts, and in chunks of rows or of parts of rows", () => {
    expect(check({ ...BASE, input: [256, 3, 3], outputs: 64 }).why).toContain("parts");
    check({
      ...BASE,
      input: [1100, 2, 2],
      outputs: 3,
      activations: { min: -8, max: 7 },
      weights: { min: -1, max: 1 },
      twoWeights: true,
    });
  });

  it("over random shapes", () => {
    const cases = fc.record({
      ...convShapes,
      dilations: fc.constantFrom<[number, number]>([1, 1], [2, 1]),
      activations: fc.constantFrom(UINT2, INT2, { min: 0, max: 1 }, { min: -8, max: 7 }),
      weights: fc.constantFrom(INT2, { min: 0, max: 7 }, { min: -7, max: 7 }),
      padInteger: fc.constantFrom(0, 1),
      twoWeights: fc.boolean(),
    });
    fc.assert(
      fc.property(cases, (c) => {
        checkLayer(convGraph({ ...c, group: 1, stored: true }), draftPlaneConv, c.seed);
      }),
      { numRuns: 60 },
    );
  });

  it("a fully connected layer, on a flattened map as well", () => {
    for (const input of [
      [33, 1, 1],
      [5000, 1, 1],
      [5, 4, 3],
    ] as const)
      checkLayer(denseGraph({ ...BASE, input, outputs: 10 }), draftPlaneConv, 3);
  });
});
