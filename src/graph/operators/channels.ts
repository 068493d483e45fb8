/** Functions over the channels (the first axis) of each pixel: softmax and argMax; of a vector: over all of it. */
import type { Operator } from "../operator.ts";

/** Calls `visit` with the indices of each pixel's channels. */
function forEachPixel(channels: number, elements: number, visit: (indices: number[], pixel: number) => void): void {
  const pixels = elements / channels;
  for (let p = 0; p < pixels; p++)
    visit(
      Array.from({ length: channels }, (_, c) => c * pixels + p),
      p,
    );
}

/** e^x / sum e^x */
export const softmax: Operator = {
  op: "softmax",
  exactness: "float",
  shape: (_node, [x]) => x!.shape,
  grid: () => undefined,
  run(_node, [x]) {
    const out = new Float64Array(x!.values.length);
    forEachPixel(x!.shape[0]!, out.length, (indices) => {
      const largest = indices.reduce((most, i) => Math.max(most, x!.values[i]!), Number.NEGATIVE_INFINITY);
      let sum = 0;
      for (const i of indices) {
        out[i] = Math.exp(x!.values[i]! - largest);
        sum += out[i]!;
      }
      for (const i of indices) out[i] = out[i]! / sum;
    });
    return out;
  },
};

/** The first channel that holds the largest value. */
export const argMax: Operator = {
  op: "argMax",
  exactness: "exact on grids",
  shape: (_node, [x]) => [1, ...x!.shape.slice(1)],
  grid: (_node, [x]) => ({ step: 1, min: 0, max: x!.shape[0]! - 1 }),
  run(_node, [x]) {
    const out = new Float64Array(x!.values.length / x!.shape[0]!);
    forEachPixel(x!.shape[0]!, x!.values.length, (indices, pixel) => {
      let best = 0;
      for (const [c, i] of indices.entries()) if (x!.values[i]! > x!.values[indices[best]!]!) best = c;
      out[pixel] = best;
    });
    return out;
  },
};
