import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { divideOutputs, firstOutput, overlap } from "./blocks.ts";

describe("parts of a layer's outputs", () => {
  it("cover every output, within the room that there is", () => {
    const cases = fc.record({
      outputs: fc.integer({ min: 1, max: 200 }),
      limit: fc.integer({ min: 1, max: 250 }),
      together: fc.integer({ min: 1, max: 8 }),
    });
    fc.assert(
      fc.property(cases, ({ outputs, limit, together }) => {
        const parts = divideOutputs(outputs, limit, together);
        const covered = new Set<number>();
        for (let block = 0; block < parts.blocks; block++)
          for (let k = 0; k < parts.blockOutputs; k++) covered.add(firstOutput(parts, block, outputs) + k);
        expect([...covered].sort((a, b) => a - b)).toEqual(Array.from({ length: outputs }, (_, k) => k));
        expect(parts.blockOutputs).toBeLessThanOrEqual(Math.max(limit, together));
        expect(overlap(parts, outputs)).toBe(parts.blocks * parts.blockOutputs !== outputs);
      }),
    );
  });

  it("are one where everything fits", () => {
    expect(divideOutputs(33, 40, 3)).toEqual({ blocks: 1, blockOutputs: 33 });
  });
});
