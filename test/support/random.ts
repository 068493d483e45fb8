/** Randomness that is the same on every machine. */
import { randomFrom } from "../../src/zoo/random.ts";

export { randomFrom };

/**
 * `count` images as models take them: 8-bit integers, [channels, height, width]. Waves with some noise, of which the strongest reach both
 * ends of the range.
 */
export function randomImages(count: number, shape: readonly [number, number, number], seed: number): Int8Array[] {
  const random = randomFrom(seed);
  const [channels, height, width] = shape;
  return Array.from({ length: count }, () => {
    const [fx, fy, contrast] = [random() * 3, random() * 3, 20 + random() * 140];
    return Int8Array.from({ length: channels * height * width }, (_, i) => {
      const [x, y] = [i % width, Math.floor(i / width) % height];
      const pixel = Math.round(contrast * Math.sin((fx * x + fy * y) / 2) + 40 * (random() - 0.5));
      return Math.min(Math.max(pixel, -128), 127);
    });
  });
}
