import { expect, test } from "vitest";
import { layerFigures, tableHead, tableRow, timesFewer } from "./layer-counts.ts";

const counts = [20, 10, 40, 5, 16, 8, 30, 4];

test("a figure for each column, by machine, layer and build", () => {
  const figures = layerFigures("binconv32", counts, 10);
  expect(figures).toHaveLength(counts.length);
  expect(figures[0]).toBe("figure arm.binconv32.stock 2.000 instructions per MAC");
  expect(figures[4]).toBe("figure x86.binconv32 1.600 instructions per MAC");
  expect(timesFewer(counts)).toBe(2);
});

test("the table's columns stand under their heads", () => {
  const [head, row] = [tableHead(), tableRow("binconv32", counts, 10)];
  expect(row.length).toBe(head.length);
  expect(head.indexOf("arm clang") + "arm clang".length).toBe(row.indexOf("4.000") + "4.000".length);
});
