/** Plans a payload from the stored tensor at the cut: its integers as levels of 1, 2, 4 or 8 bits. */
import { elementCount, type Node, numberOf } from "../graph/graph.ts";
import { isPowerOfTwo } from "../graph/grid.ts";
import { type Draft, noKernel } from "./draft.ts";
import type { Matcher } from "./matcher.ts";
import { PAYLOAD_BUFFER, type PayloadCode } from "./payload.ts";
import { NO_SCRATCH } from "./plan.ts";

const WIDTHS = [1, 2, 4, 8] as const;

/** What levels mean, and how they come from stored integers: level = (n - low) >> shift. */
export interface PackCode extends PayloadCode {
  readonly low: number;
  readonly shift: number;
}

/** @param cut a tensor on a grid of at most 256 integers */
export function packCode(match: Matcher, cut: string): PackCode {
  const { grid } = match.storage(cut, match.producer(cut));
  // Levels of thresholds may lie two steps apart.
  const apart = levelDistance(match.producer(cut), grid.step);
  const levels = (grid.max - grid.min) / apart + 1;
  const bits = WIDTHS.find((width) => levels <= 2 ** width);
  if (bits === undefined)
    return noKernel(
      `The cut "${cut}" has integers of ${grid.min} ... ${grid.max}, more than 8 bits hold`,
      "Put a Quant node of 1, 2, 4 or 8 bits in front of the cut.",
      "H406",
    );
  // Levels of 8 bits are signed: where the integers are signed bytes, they are the levels.
  if (bits === 8) {
    const low = grid.min >= -128 && grid.max <= 127 ? 0 : grid.min + 128;
    return { bits, scale: grid.step, offset: low, low, shift: 0 };
  }
  return { bits, scale: grid.step * apart, offset: grid.min / apart, low: grid.min, shift: Math.log2(apart) };
}

function levelDistance(node: Node | undefined, step: number): number {
  if (node?.op !== "threshold") return 1;
  const distance = Math.round(numberOf(node, "scale") / step);
  return isPowerOfTwo(distance) ? distance : 1;
}

export function draftPack(match: Matcher, cut: string, { bits, low, shift }: PackCode): Draft {
  const { shape, bytes, signed } = match.storage(cut, match.producer(cut));
  const [channels, height, width] = shape as [number, number, number];
  const rowBytes = Math.ceil((channels * bits) / 8);
  return {
    name: PAYLOAD_BUFFER,
    buffers: [match.request(cut), { name: PAYLOAD_BUFFER, bytes: height * width * rowBytes }],
    weights: new Uint8Array(0),
    operations: elementCount(shape) * 5,
    why: "the stored integers at the cut, packed",
    finish: (region, slice) => ({
      kind: "pack",
      name: cut,
      outputShape: shape,
      output: region(PAYLOAD_BUFFER),
      weights: slice,
      scratch: NO_SCRATCH,
      macs: 0,
      weightBits: 0,
      activationBits: bits,
      input: region(cut),
      element: { bytes, signed },
      channels,
      bits,
      low,
      shift,
    }),
  };
}
