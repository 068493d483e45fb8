import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Buffer, placeBuffers } from "./memory.ts";

describe("placeBuffers", () => {
  it("never overlaps buffers that live together, and starts each at a multiple of 8", () => {
    const buffer = fc.record({
      bytes: fc.integer({ min: 1, max: 500 }),
      from: fc.nat(8),
      steps: fc.nat(4),
    });
    fc.assert(
      fc.property(fc.array(buffer, { minLength: 1, maxLength: 20 }), (list) => {
        const buffers: Buffer[] = list.map((b, i) => ({
          name: `b${i}`,
          bytes: b.bytes,
          firstStep: b.from,
          lastStep: b.from + b.steps,
        }));
        const { addresses, bytes } = placeBuffers(buffers);
        for (const a of buffers) {
          const start = addresses.get(a.name)!;
          expect(start % 8).toBe(0);
          expect(start + a.bytes).toBeLessThanOrEqual(bytes);
          for (const b of buffers) {
            const together = a !== b && a.firstStep <= b.lastStep && b.firstStep <= a.lastStep;
            const other = addresses.get(b.name)!;
            if (together) expect(start + a.bytes <= other || other + b.bytes <= start).toBe(true);
          }
        }
      }),
    );
  });

  it("gives bytes to several buffers in turn", () => {
    const { bytes } = placeBuffers([
      { name: "a", bytes: 1000, firstStep: 0, lastStep: 0 },
      { name: "b", bytes: 1000, firstStep: 1, lastStep: 1 },
    ]);
    expect(bytes).toBe(1000);
  });

  it("finds an order in which nothing is wasted where the largest first would waste bytes", () => {
    // Largest first: a and c at the bottom; b, which meets both, on top; then d fits neither under b nor beside it.
    const { bytes } = placeBuffers([
      { name: "a", bytes: 36, firstStep: 3, lastStep: 4 },
      { name: "b", bytes: 24, firstStep: 0, lastStep: 1 },
      { name: "c", bytes: 16, firstStep: 1, lastStep: 2 },
      { name: "d", bytes: 16, firstStep: 2, lastStep: 3 },
      { name: "e", bytes: 8, firstStep: 4, lastStep: 4 },
    ]);
    expect(bytes).toBe(52);
  });
});
