import { expect, it } from "vitest";
import { hybridAccuracy } from "./accuracy.ts";

it("counts each sample where the exit rule sends it", () => {
  const truth = [0, 1, 2, 0, 1];
  const exit = [0, 1, 0, 1, 0];
  const final = [0, 0, 2, 0, 0];
  expect(hybridAccuracy(truth, exit, final, [1, 1, 0, 0, 0])).toEqual({
    coverage: 0.4,
    exit: 0.4,
    final: 0.6,
    system: 0.8,
    exited: 1,
    offloaded: 2 / 3,
  });
});

it("has no share of nothing", () => {
  expect(hybridAccuracy([1], [1], [0], [1])).toMatchObject({ offloaded: 0, exited: 1, system: 1, coverage: 1 });
  expect(hybridAccuracy([1], [1], [0], [0])).toMatchObject({ offloaded: 0, exited: 0, system: 0, coverage: 0 });
});
