import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GraphBuilder } from "../graph/build.ts";
import type { Graph } from "../graph/graph.ts";
import { bitsOf } from "../graph/grid.ts";
import { runGraph } from "../graph/run.ts";
import { graphText } from "../graph/text.ts";
import { verifyGraph } from "../graph/verify.ts";
import { centerBytes } from "./center-bytes.ts";

const STEP = 0.037;

/** A tensor x, [2, 3, 4], of integers -28 ... 227, and one y of -100 ... 155. */
function start(): GraphBuilder {
  const builder = new GraphBuilder("center");
  builder.input("image", [2, 3, 4], { step: 1, min: -128, max: 127 });
  builder.constant("one", [1], [1]);
  builder.constant("none", [1], [0]);
  const attributes = { shift: 0, rounding: "FLOOR", low: -128, high: 127, scale: STEP };
  builder.node("requant", ["image", "one", "none"], "x", { ...attributes, zero: -100 });
  builder.node("requant", ["image", "one", "none"], "y", { ...attributes, zero: -28 });
  return builder;
}

const FINISH = { shift: 3, rounding: "HALF_EVEN", low: -128, high: 127, zero: 0, scale: 1 };

/** What reads them. */
const READERS: Readonly<Record<string, (builder: GraphBuilder) => string>> = {
  convolution(b) {
    b.constant("w", [2, 2, 2, 2], [1, -2, 3, 4, 5, -6, 7, 8, -9, 1, 2, 3, 4, -5, 6, 7]);
    const geometry = { strides: [1, 1], pads: [1, 0, 0, 1], padValue: 0 };
    return b.node("conv", ["x", "w"], "r", geometry);
  },
  "fully connected layer with a bias"(b) {
    b.constant(
      "w",
      [3, 24],
      Array.from({ length: 72 }, (_, i) => (i % 7) - 3),
    );
    b.constant("b", [3], [STEP, -2 * STEP, 0], { step: STEP, min: -2, max: 1 });
    return b.node("gemm", [b.node("flatten", ["x"], "flat"), "w", "b"], "r");
  },
  sum: (b) => b.node("add", ["x", "y"], "r"),
  difference: (b) => b.node("sub", ["x", "y"], "r"),
  product: (b) => b.node("mul", ["x", "y"], "r"),
  "max pool and slice"(b) {
    b.node("maxPool", ["x"], "pooled", { kernel: [2, 2], strides: [1, 1], pads: [1, 1, 0, 0] });
    return b.node("slice", ["pooled"], "r", { starts: [1, 0, 0], ends: [2, 2, 4], steps: [1, 1, 2] });
  },
  "average pool": (b) => b.node("averagePool", ["x"], "r", { kernel: [3, 2], strides: [1, 2] }),
  "concatenation of both": (b) => b.node("concat", ["x", "y"], "r", { axis: 0 }),
  "concatenation with itself": (b) => b.node("concat", ["x", "x"], "r", { axis: 1 }),
  padding: (b) => b.node("pad", ["x"], "r", { before: [0, 1, 0], after: [1, 0, 2], value: -3 * STEP }),
  relu: (b) => b.node("relu", ["x"], "r"),
};

function integers(graph: Graph, image: readonly number[]): number[] {
  const { step } = graph.tensors.get(graph.outputs[0]!)!.grid!;
  return [...runGraph(graph, image).get(graph.outputs[0]!)!].map((value) => Math.round(value / step));
}

describe("centerBytes", () => {
  it.each(Object.entries(READERS))("leaves the value of a %s", (_name, build) => {
    const builder = start();
    build(builder);
    builder.node("requant", ["r", "one", "none"], "out", FINISH);
    const before = verifyGraph(builder.build(["out"]));
    const after = verifyGraph(centerBytes(before));
    const stored = after.nodes.filter(({ op }) => op === "requant").map(({ output }) => after.tensors.get(output)!);
    for (const { grid } of stored) expect(bitsOf(grid!)).toBeLessThanOrEqual(8);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -128, max: 127 }), { minLength: 24, maxLength: 24 }), (image) => {
        expect(integers(after, image)).toEqual(integers(before, image));
      }),
      { numRuns: 30 },
    );
  });

  it("shifts the bias and the padding of a convolution", () => {
    const builder = start();
    READERS.convolution!(builder);
    builder.node("requant", ["r", "one", "none"], "out", FINISH);
    expect(
      graphText(centerBytes(builder.build(["out"])))
        .split("\n")
        .filter((line) => / = (requant|conv)\(/.test(line)),
    ).toEqual([
      expect.stringMatching(/^x\.shifted = requant\(image, one, none\) .* zero: 0\} : \[2,3,4\], -128\.\.127 /),
      expect.stringMatching(/^r = conv\(x\.shifted, w, r\.bias\) .* padValue: -3\.7/),
      expect.stringMatching(/^out = /),
    ]);
  });

  it("leaves the model's output and what is in the middle alone", () => {
    const builder = start();
    const attributes = { ...FINISH, zero: 100 };
    builder.node("requant", ["image", "one", "none"], "out", attributes);
    const graph = builder.build(["out"]);
    expect(graphText(centerBytes(graph))).toBe(graphText(graph));
  });
});
