import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DAY, EnergyMeter } from "./energy.ts";

const SPEC = { active: 0.08, sleep: 0.001, radioByte: 1e-6, radioWake: 0.003, radioAwake: 1_000 };
const BATTERY = { capacity: 10, level: 1, selfDischarge: 0, harvest: 0, restart: 0.1 };
const FOREVER = Number.POSITIVE_INFINITY;

describe("energy", () => {
  it("is power times time, by what used it", () => {
    const meter = new EnergyMeter(SPEC, undefined, FOREVER);
    meter.look(10_000);
    meter.computing = true;
    meter.look(12_000);
    meter.computing = false;
    meter.look(20_000);
    expect(meter.used.inference).toBeCloseTo(2 * 0.08, 12);
    expect(meter.used.sleep).toBeCloseTo(18 * 0.001, 12);
  });

  it("of the radio: each byte, and waking it where it has slept", () => {
    const meter = new EnergyMeter(SPEC, undefined, FOREVER);
    meter.radio(0, 1_000);
    meter.radio(1_000, 1_000);
    meter.radio(2_001, 1_000);
    expect(meter.used.radio).toBeCloseTo(3 * 1_000 * 1e-6 + 2 * 0.003, 12);
  });

  it("does not depend on how often somebody looks", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 20_000 })), (looks) => {
        const meter = new EnergyMeter(SPEC, BATTERY, 15_000);
        const empty = [...looks.sort((a, b) => a - b), 20_000].map((at) => meter.look(at));
        expect(empty.every((at) => at === undefined)).toBe(true);
        expect(meter.used.sleep).toBeCloseTo(15 * 0.001, 9);
      }),
    );
  });

  it("empties a battery at the moment that arithmetic says, though nobody looked then", () => {
    const meter = new EnergyMeter(SPEC, { ...BATTERY, level: 0.5 }, FOREVER);
    expect(meter.look(1_000_000)).toBe(undefined);
    meter.computing = true;
    // 4 J are left, at 80 mW: 50 s.
    expect(meter.look(5_000_000)).toBeCloseTo(1_050_000, 6);
    expect(meter.off).toBe(true);
    expect(meter.look(9_000_000)).toBe(undefined);
    expect(meter.used.inference + meter.used.sleep).toBeCloseTo(5, 9);
    expect(meter.untilRestart).toBe(FOREVER);
  });

  it("a battery that is charged starts again at its level, and holds no more than its capacity", () => {
    const meter = new EnergyMeter({ ...SPEC, sleep: 0.003 }, { ...BATTERY, level: 0.1, harvest: 0.001 }, FOREVER);
    // 1 J at 2 mW net.
    expect(meter.look(600_000)).toBeCloseTo(500_000, 6);
    // Charged for 100 s since; 1 J is needed.
    expect(meter.untilRestart).toBeCloseTo(900_000, 6);
    meter.look(1_500_000);
    expect(meter.untilRestart).toBeCloseTo(0, 6);
    const full = new EnergyMeter(SPEC, { ...BATTERY, harvest: 1 }, FOREVER);
    full.look(1_000_000);
    expect(full.batteryDays).toBe(undefined);
    expect(full.radio(1_000_000, 9_990_000)).toBe(false);
    expect(full.radio(1_000_000, 10_000)).toBe(true);
  });

  it("says how long a full battery lasts at this pace", () => {
    const meter = new EnergyMeter(SPEC, { ...BATTERY, level: 0.5 }, FOREVER);
    meter.look(1_000_000);
    // 10 J at 1 mW.
    expect(meter.batteryDays).toBeCloseTo(10_000 / (DAY / 1e3), 9);
    const leaky = new EnergyMeter(SPEC, { ...BATTERY, capacity: 25_920, selfDischarge: 0.1 }, FOREVER);
    leaky.look(1_000_000);
    // 2,592 J in 30 days are another milliwatt.
    expect(leaky.batteryDays).toBeCloseTo(25_920 / 0.002 / (DAY / 1e3), 9);
  });
});
