import { describe, expect, it } from "vitest";
import { GraphBuilder } from "../build.ts";
import type { Grid } from "../grid.ts";
import { runGraph } from "../run.ts";
import { verifyGraph } from "../verify.ts";

function lut(grid: Grid, shape: readonly number[], rows: readonly (readonly number[])[], scale = 1, zero = 0) {
  const builder = new GraphBuilder("lut");
  builder.input("x", shape, grid);
  builder.constant("table", [rows.length, rows[0]!.length], rows.flat());
  builder.node("lut", ["x", "table"], "y", { scale, zero });
  return verifyGraph(builder.build(["y"]));
}

describe("lut", () => {
  const grid = { step: 0.3, min: -2, max: 2 };

  it("looks up the integer of each value, from the grid's smallest on", () => {
    const graph = lut(grid, [5], [[9, 7, 5, 7, 9]], 0.5, 5);
    expect(graph.tensors.get("y")!.grid).toEqual({ step: 0.5, min: 0, max: 4 });
    expect([...runGraph(graph, [-0.6, -0.3, 0, 0.3, 0.6]).get("y")!]).toEqual([2, 1, 0, 1, 2]);
  });

  it("has one table, or one for each channel", () => {
    const rows = [
      [1, 2, 3, 4, 5],
      [10, 20, 30, 40, 50],
    ];
    const graph = lut(grid, [2, 1, 2], rows);
    expect([...runGraph(graph, [-0.6, 0.6, -0.3, 0]).get("y")!]).toEqual([1, 5, 20, 30]);
  });

  it("refuses tables of a wrong size, and fractions", () => {
    expect(() => lut(grid, [1], [[1, 2, 3, 4]])).toThrow(/"y" \(lut\): a table of 4 entries for 5 integers/);
    expect(() => lut(grid, [3], [[1], [2]])).toThrow(/2 tables for 3 channels/);
    expect(() => lut(grid, [1], [[0.5, 2, 3, 4, 5]])).toThrow(/"table" holds no constant integers/);
    const wide = Array.from({ length: 257 }, (_, i) => i);
    expect(() => lut({ step: 1, min: 0, max: 256 }, [1], [wide])).toThrow(/at most 256/);
  });
});
