/** Convolutions of +-1 weights and activations against the reference kernels. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GraphBuilder } from "../../src/graph/build.ts";
import { elementCount, type Graph, producerOf } from "../../src/graph/graph.ts";
import { draftBipolarConv } from "../../src/plan/bipolar-conv.ts";
import { Matcher } from "../../src/plan/matcher.ts";
import { checkLayer } from "../support/check-layer.ts";
import { randomFrom } from "../support/random.ts";
import { type ConvShape, convGraph, convShapes, INT8, ODD, PLAIN } from "../support/random-conv.ts";

const SIGNS = { min: -1, max: 1 };
const BASE: ConvShape = {
  ...PLAIN,
  activations: SIGNS,
  weights: SIGNS,
  padInteger: -1,
  ending: 2,
  signs: true,
  twoWeights: true,
};

const check = (shape: ConvShape) => checkLayer(convGraph(shape), draftBipolarConv, shape.seed);

const draft = (shape: ConvShape) => {
  const graph = convGraph(shape);
  return draftBipolarConv(new Matcher(graph), producerOf(graph, graph.outputs[0]!)!);
};

describe("a binarized convolution equals the reference", () => {
  it.each(ODD)("from signs of %i channels to as many signs", (channels) => {
    check({ ...BASE, input: [channels, 4, 3], outputs: channels });
  });

  it.each(ODD)("from signs of %i channels to 8 bits, with another tensor added", (channels) => {
    check({ ...BASE, input: [channels, 5, 3], ending: "requant", shortcut: true, padInteger: 1 });
  });

  it.each([1, 2, 7, 16, 17, 31, 34])("in rows of %i pixels, in equal blocks or with a smaller last one", (width) => {
    check({ ...BASE, input: [16, 2, width], outputs: 3 });
  });

  it("over random shapes", () => {
    const cases = fc.record({ ...convShapes, padInteger: fc.constantFrom(-1, 1), stored: fc.constant(true) });
    fc.assert(
      fc.property(cases, (c) => {
        fc.pre(c.pads[0] < c.kernel[0]);
        check({ ...BASE, ...c, dilations: [1, 1] });
      }),
      { numRuns: 60 },
    );
  });

  it.each(ODD)("of a stream of %i channels behind thresholds, which need not be stored", (channels) => {
    const planned = checkLayer(signedGraph([channels, 4, 3], "conv"), draftBipolarConv, 3);
    expect(planned.buffers.map(({ name }) => name)).toContain("stream");
  });

  it.each<[number, number, number]>([
    [1, 1, 1],
    [33, 1, 1],
    [130, 1, 1],
    [5, 4, 3],
  ])("a fully connected layer on the signs of %i x %i x %i values", (...shape) => {
    checkLayer(signedGraph(shape, "gemm"), draftBipolarConv, 3);
  });
});

/** A stream of 8 bits, its signs behind thresholds, a root with weights of +-1, thresholds. */
function signedGraph(shape: readonly [number, number, number], root: "conv" | "gemm"): Graph {
  const random = randomFrom(7);
  const builder = new GraphBuilder("signed");
  const signs = { scale: 2, offset: -0.5, inputStep: 1 };
  const flips = (count: number) => Array.from({ length: count }, () => (random() < 0.5 ? 1 : 0));
  const integers = (count: number, reach: number) =>
    Array.from({ length: count }, () => Math.round((2 * random() - 1) * reach));
  const x = builder.input("x", shape, { step: 1, ...INT8 });
  const [one, none] = [builder.constant("one", [1], [1]), builder.constant("none", [1], [0])];
  const kept = { shift: 0, rounding: "FLOOR", low: -128, high: 127, zero: 0, scale: 1 };
  const stream = builder.node("requant", [x, one, none], "stream", kept);
  const t = builder.constant("t", [shape[0], 1], [...integers(shape[0], 130)].fill(128, 1, 2).fill(-128, 2, 3));
  let signed = builder.node("threshold", [stream, t], "signs", { ...signs, rising: flips(shape[0]) });
  const count = root === "conv" ? shape[0] * 9 : elementCount(shape);
  const weights = flips(4 * count).map((bit) => 2 * bit - 1);
  const dims = root === "conv" ? [4, shape[0], 3, 3] : [4, count];
  const w = builder.constant("w", dims, weights, { step: 1, ...SIGNS });
  if (root === "gemm") signed = builder.node("flatten", [signed], "flat");
  const window = { strides: [1, 1], pads: [1, 1, 1, 1], padValue: 1 };
  const sum = builder.node(root, [signed, w], "sum", root === "conv" ? window : {});
  const limits = builder.constant("limits", [4, 1], integers(4, Math.sqrt(count)));
  return builder.build([builder.node("threshold", [sum, limits], "y", { ...signs, rising: [1, 0, 1, 0] })]);
}

describe("a binarized convolution leaves to other kernels", () => {
  it.each<[string, Partial<ConvShape>]>([
    ["activations that may be 0", { signs: false }],
    ["weights of more than two values", { weights: INT8 }],
    ["padding with 0", { padInteger: 0 }],
    ["rows that see nothing but padding", { kernel: [1, 3] }],
    ["groups", { input: [4, 6, 5], group: 2 }],
    ["dilations", { dilations: [2, 1] }],
  ])("%s", (_, change) => expect(draft({ ...BASE, ...change })).toBeUndefined());
});
