import { expect, it } from "vitest";
import { GraphBuilder } from "./build.ts";
import { graphText } from "./text.ts";

it("is one line per node, with its attributes, shape and grid", () => {
  const builder = new GraphBuilder("net");
  builder.input("image", [2, 2, 2], { step: 0.0625, min: -128, max: 127 });
  builder.constant("w", [1, 2, 1, 1], [0.5, -1.5]);
  builder.constant("gamma", [3, 3, 1, 1], [1, 2, 3, 4, 5, 6, 7, 8, 9]);
  builder.node("conv", ["image", "w"], "sum", { strides: [1, 1], pads: [0, 0, 0, 0], padValue: 0 });
  builder.node("quant", ["sum"], "q", { bits: 8, signed: 1, narrow: 0, rounding: "FLOOR", scale: 0.1, zero: 0 });
  expect(graphText(builder.build(["q"]))).toBe(
    [
      "graph net",
      "input image : [2,2,2], -128..127 * 2^-4",
      "const w : [1,2,1,1], -3..1 * 2^-1 = [0.5, -1.5]",
      "sum = conv(image, w) {strides: [1, 1], pads: [0, 0, 0, 0], padValue: 0} : [1,2,2], -509..511 * 2^-5",
      "q = quant(sum) {bits: 8, signed: 1, narrow: 0, rounding: FLOOR, scale: 0.1, zero: 0} : [1,2,2], -128..127 * 0.1",
      "outputs q",
      "",
    ].join("\n"),
  );
});

it("cuts long lists", () => {
  const builder = new GraphBuilder("net");
  builder.input("x", [2]);
  builder.constant("w", [5, 2], new Array(10).fill(0.1));
  builder.node("gemm", ["x", "w"], "y", { note: new Array(9).fill(1) });
  const text = graphText(builder.build(["y"]));
  expect(text).toContain("const w : [5,2], float\n");
  expect(text).toContain("{note: [1, 1, 1, 1, 1, 1, 1, 1, ... 9 values]} : [5], float");
});
