import fc from "fast-check";
import { expect, it } from "vitest";
import { Ring } from "./ring.ts";

it("is a queue that forgets the oldest, and says so", () => {
  const step = fc.oneof(fc.record({ push: fc.integer() }), fc.record({ take: fc.nat(12) }));
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 9 }), fc.array(step, { maxLength: 60 }), (capacity, steps) => {
      const ring = new Ring<number>(capacity);
      let model: number[] = [];
      for (const action of steps) {
        if ("push" in action) {
          expect(ring.push(action.push)).toBe(model.length === capacity);
          model = [...model, action.push].slice(-capacity);
        } else {
          expect(ring.take(action.take)).toEqual(model.splice(0, action.take));
        }
        expect(ring.length).toBe(model.length);
      }
    }),
  );
});
