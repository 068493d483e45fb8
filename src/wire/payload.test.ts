import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { HedgeError } from "../errors.ts";
import { type PayloadLayout, packPayload, payloadBytes, unpackPayload } from "./payload.ts";

/** Layouts of all depths, odd channel counts and single pixels among them, with levels that fit. */
const packed = fc
  .record({
    bits: fc.constantFrom(1, 2, 4, 8) as fc.Arbitrary<1 | 2 | 4 | 8>,
    shape: fc.tuple(fc.integer({ min: 1, max: 67 }), fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 5 })),
    exponent: fc.integer({ min: -8, max: 3 }),
    offset: fc.constantFrom(0, 0.5, -0.5, -2, -7.5),
  })
  .chain(({ bits, shape, exponent, offset }) => {
    const [min, max] = bits === 8 ? [-128, 127] : [0, 2 ** bits - 1];
    const count = shape[0] * shape[1] * shape[2];
    const layout: PayloadLayout = { bits, shape, scale: 2 ** exponent, offset };
    const levels = fc.array(fc.integer({ min, max }), { minLength: count, maxLength: count });
    return levels.map((levels) => ({ layout, levels }));
  });

describe("payload", () => {
  it("unpacks what was packed, at every depth and channel count", () => {
    fc.assert(
      fc.property(packed, ({ layout, levels }) => {
        const bytes = packPayload(layout, levels);
        expect(bytes).toHaveLength(payloadBytes(layout));
        const values = levels.map((level) => (level + layout.offset) * layout.scale);
        expect(Array.from(unpackPayload(layout, bytes))).toEqual(values);
      }),
    );
  });

  it("leaves the bits that pad a pixel zero, and ignores them", () => {
    fc.assert(
      fc.property(packed, ({ layout, levels }) => {
        const bytes = packPayload(layout, levels);
        const [channels] = layout.shape as [number];
        const used = (channels * layout.bits) % 8;
        if (used === 0) return;
        const pixelBytes = Math.ceil((channels * layout.bits) / 8);
        const values = unpackPayload(layout, bytes);
        for (let at = pixelBytes - 1; at < bytes.length; at += pixelBytes) {
          expect((bytes[at] as number) >> used).toBe(0);
          bytes[at] = (bytes[at] as number) | ((0xff << used) & 0xff);
        }
        expect(unpackPayload(layout, bytes)).toEqual(values);
      }),
    );
  });

  it("lies as the architecture page says: NHWC, first level lowest, pixels at byte boundaries", () => {
    // 3 channels of 1x2 at 2 bits; CHW levels: channel 0 = [1, 2], channel 1 = [3, 0], channel 2 = [2, 1].
    expect(Array.from(packPayload({ shape: [3, 1, 2], bits: 2 }, [1, 2, 3, 0, 2, 1]))).toEqual([0b101101, 0b010010]);
    expect(Array.from(packPayload({ shape: [9, 1, 1], bits: 1 }, [1, 0, 0, 0, 0, 0, 0, 0, 1]))).toEqual([1, 1]);
    expect(Array.from(packPayload({ shape: [2, 1, 1], bits: 8 }, [-1, 127]))).toEqual([255, 127]);
  });

  it("refuses wrong sizes and levels", () => {
    const layout: PayloadLayout = { shape: [3, 2, 2], bits: 2, scale: 1, offset: 0 };
    for (const size of [0, 3, 5]) {
      expect(() => unpackPayload(layout, new Uint8Array(size))).toThrow(`has ${size} bytes where the model's has 4`);
    }
    expect(() => packPayload(layout, new Array(11).fill(0))).toThrow(HedgeError);
    for (const level of [-1, 4, 0.5, Number.NaN]) {
      expect(() => packPayload(layout, [level, ...new Array(11).fill(0)])).toThrow("does not fit 2 bits");
    }
    expect(() => unpackPayload({ ...layout, shape: [12] }, new Uint8Array(4))).toThrow("shape [12]");
  });
});
