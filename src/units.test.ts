import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { bitRate, bytes, duration, energy, power, ppm, share, someDuration } from "./units.ts";

const TYPES = { duration, bytes, bitRate, power, energy, share, ppm };

describe("quantities", () => {
  it.each([
    ["duration", "250ms", 250],
    ["duration", "1.5h", 5_400_000],
    ["duration", "2 d", 172_800_000],
    ["duration", "5m", 300_000],
    ["duration", 0, 0],
    ["bytes", "16MB", 16e6],
    ["bytes", "64KiB", 65_536],
    ["bytes", "1.5kB", 1_500],
    ["bitRate", "100kbit/s", 100_000],
    ["power", "80mW", 0.08],
    ["energy", "2000mWh", 7_200],
    ["energy", "3mJ", 0.003],
    ["share", "1%", 0.01],
    ["share", 0.25, 0.25],
    ["ppm", "40ppm", 40e-6],
  ] as const)("%s %s is %s", (type, text, value) => {
    expect(TYPES[type].parse(text)).toBeCloseTo(value, 12);
  });

  it.each([
    ["duration", "30", "it is no duration such as 250ms, 30s or 2d (units: us, ms, s, m, h, d)"],
    ["duration", 30, "it is no duration"],
    ["duration", "-1s", "it is no duration"],
    ["duration", "1e3s", "it is no duration"],
    ["duration", "30 sec", "it is no duration"],
    ["bytes", "0.5B", "it is no whole number of bytes"],
    ["bitRate", "0kbit/s", "it has to be more than 0"],
    ["bitRate", "100kB/s", "it is no bit rate"],
    ["power", "80mJ", "it is no power"],
    ["share", "101%", "it is no share such as 1% or 0.01, from 0 to 100%"],
    ["share", 1.5, "it is no share"],
    ["share", "half", "it is no share"],
  ] as const)("%s %s is refused: %s", (type, text, flaw) => {
    const { error } = TYPES[type].safeParse(text);
    expect(error!.issues[0]!.message).toContain(flaw);
  });

  it("refuses no time where there has to be some", () => {
    expect(someDuration.safeParse("0s").success).toBe(false);
  });

  it("are strings with a pattern, for editors, and the pattern takes what is taken", () => {
    const schema = z.toJSONSchema(duration, { io: "input" }) as { anyOf: { pattern?: string }[] };
    const pattern = new RegExp(schema.anyOf[0]!.pattern!);
    const unit = fc.constantFrom("us", "ms", "s", "m", "h", "d");
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1e9 }), unit, (number, name) => {
        const text = `${number}${name}`;
        expect(pattern.test(text)).toBe(true);
        expect(duration.parse(text)).toBeGreaterThanOrEqual(0);
      }),
    );
  });
});
