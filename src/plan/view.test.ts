import { describe, expect, it } from "vitest";
import { elementOffsets, isStored, reshapeView, rowMajorStrides, type View, wholeTensor } from "./view.ts";

const rowMajor = (dims: readonly number[]): View => ({ root: "x", offset: 0, dims, strides: rowMajorStrides(dims) });

describe("views", () => {
  it("walk a stored feature map pixel by pixel where the tensor goes channel by channel", () => {
    // [2 channels, 1 row, 3 pixels] lies as c0 c1, c0 c1, c0 c1.
    expect([...elementOffsets(wholeTensor("x", [2, 1, 3]))]).toEqual([0, 2, 4, 1, 3, 5]);
  });

  it("flatten and come back", () => {
    const map = wholeTensor("x", [4, 2, 3]);
    // Channels innermost are no vector in order, and no strides make them one.
    expect(reshapeView(map, [24])).toBeUndefined();
    expect(reshapeView(map, [2, 2, 6])).toEqual({ root: "x", offset: 0, dims: [2, 2, 6], strides: [2, 1, 4] });
    expect(reshapeView(rowMajor([24]), [4, 2, 3])!.strides).toEqual([6, 3, 1]);
    expect(reshapeView(rowMajor([4, 6]), [3, 8])!.strides).toEqual([8, 1]);
  });

  it("know when they are what a layer would have stored", () => {
    expect(isStored(rowMajor([1, 5, 7]), [1, 5, 7])).toBe(true);
    expect(isStored(rowMajor([3, 1, 1]), [3, 1, 1])).toBe(true);
    expect(isStored(rowMajor([3, 5, 7]), [3, 5, 7])).toBe(false);
    expect(isStored(wholeTensor("x", [6, 1, 1]), [6])).toBe(true);
    expect(isStored({ ...rowMajor([3, 5]), strides: [10, 2] }, [3, 5])).toBe(false);
  });
});
