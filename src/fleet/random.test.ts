import { describe, expect, it } from "vitest";
import { CONCERNS, DeviceStreams, Streams } from "./random.ts";

const one = (seed = 1) => new Streams(seed, 1, () => ["test", 0]);
const draws = (count: number, draw: () => number) => Array.from({ length: count }, draw);
const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
const variance = (values: readonly number[]) => mean(values.map((value) => (value - mean(values)) ** 2));

describe("streams", () => {
  it("are told apart by seed, text and number, and by nothing else", () => {
    const first = (seed: number, text: string, index: number) => new Streams(seed, 1, () => [text, index]).word(0);
    expect(first(1, "a", 0)).toBe(first(1, "a", 0));
    const keys = [0, 1, 2, 4294967295].flatMap((seed) =>
      ["a", "b", "ab", "ba"].flatMap((text) => [0, 1, 2, 65536].map((index) => first(seed, text, index))),
    );
    expect(new Set(keys).size).toBe(keys.length);
  });

  it("of a device do not change with the devices, groups and draws beside them", () => {
    const groups = [
      { name: "a", count: 3 },
      { name: "b", count: 2 },
    ];
    const all = (streams: DeviceStreams, device: number) =>
      CONCERNS.map((each) => streams.word(DeviceStreams.of(device, each)));
    const few = new DeviceStreams(7, groups);
    const many = new DeviceStreams(7, [{ name: "new", count: 5 }, { name: "a", count: 9 }, groups[1]!]);
    for (let i = 0; i < 100; i++) many.word(DeviceStreams.of(3, "data"));
    expect(all(few, 1)).toEqual(all(many, 6));
    expect(all(few, 4)).toEqual(all(many, 15));
    const everything = Array.from({ length: 3 }, (_, device) => all(few, device)).flat();
    expect(new Set(everything).size).toBe(everything.length);
  });

  it("are spread as they should be", () => {
    const count = 40_000;
    const streams = one();
    const reals = draws(count, () => streams.real(0));
    expect(Math.min(...reals)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...reals)).toBeLessThan(1);
    expect(mean(reals)).toBeCloseTo(0.5, 2);
    expect(variance(reals)).toBeCloseTo(1 / 12, 2);
    const times = draws(count, () => streams.exponential(0, 3));
    expect(mean(times)).toBeCloseTo(3, 0);
    expect(variance(times) / 9).toBeCloseTo(1, 0);
    const normals = draws(count, () => streams.normal(0));
    expect(mean(normals)).toBeCloseTo(0, 1);
    expect(variance(normals)).toBeCloseTo(1, 1);
    for (const shape of [0.3, 1, 4.5]) {
      const gammas = draws(count, () => streams.gamma(0, shape));
      expect(mean(gammas) / shape).toBeCloseTo(1, 1);
      expect(variance(gammas) / shape).toBeCloseTo(1, 0);
    }
    const faces = new Array<number>(6).fill(0);
    for (let i = 0; i < count; i++) faces[streams.below(0, 6)]!++;
    for (const face of faces) expect(face / count).toBeCloseTo(1 / 6, 1.7);
  });
});
