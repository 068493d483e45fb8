/**
 * The rows of a map that a convolution looks at for one row of outputs. Where the map is padded they are copied, row by row as the
 * outputs proceed, into a small window whose margins hold the padding; else they are read where they lie.
 */

import type { MatchedConv } from "./conv-match.ts";
import { noKernel } from "./draft.ts";
import type { Region } from "./plan.ts";

/** All in bytes, but for counts. A row is that of all channels where they are innermost, else that of one plane. */
export interface RowWindow {
  /** Where the map begins. */
  readonly input: Region;
  readonly inputRows: number;
  readonly planes: number;
  readonly planeStride: number;
  readonly rowStride: number;
  readonly rowBytes: number;
  /** From a pixel to its right neighbour. */
  readonly pixelStride: number;
  /** Where the rows are copied to: for each plane its kernel rows; absent where nothing is copied. */
  readonly copied?: {
    readonly region: Region;
    readonly rowStride: number;
    /** Where a copied row begins: behind the left padding. */
    readonly left: number;
    readonly padInteger: number;
    readonly padBytes: 1 | 2 | 4;
  };
  readonly kernelRows: number;
  readonly dilation: number;
  readonly stride: number;
  readonly top: number;
}

/** A row window before memory is placed. */
export interface RowWindowDraft {
  /** Bytes to copy rows to; 0 where nothing is copied. */
  readonly bytes: number;
  /** Byte offset of a tap from the outputs' pixel. */
  readonly tapOffset: (channel: number, row: number, column: number) => number;
  readonly pixelStride: number;
  readonly planar: boolean;
  readonly finish: (input: Region, copied: Region) => RowWindow;
}

export function planRowWindow({ input, element, geometry, padInteger, chain }: MatchedConv): RowWindowDraft {
  const [channels, height, width] = input.dims;
  const [channelStride, rowStride, pixelStride] = input.strides.map((stride) => stride * element.bytes) as [
    number,
    number,
    number,
  ];
  const { bytes } = element;
  const planar = channels > 1 && channelStride !== bytes;
  if (planar ? width > 1 && pixelStride !== bytes : width > 1 && pixelStride < channels * bytes)
    noKernel(`Node "${chain.root.name}" (${chain.root.op}) reads a map whose elements lie in no order that it knows`);
  const { kernel, strides, pads, dilations } = geometry;
  const [top, left, bottom, right] = pads;
  const step = width > 1 ? pixelStride : planar ? bytes : channels * bytes;
  const rowBytes = (width - 1) * step + (planar ? 1 : channels) * bytes;
  const planes = planar ? channels : 1;
  const padded = top + left + bottom + right > 0;
  if (padded && (padInteger < -(2 ** 31) || !fits(padInteger, element)))
    noKernel(`Node "${chain.root.name}" (conv) pads with ${padInteger}, which its input's type does not hold`);
  const copiedRow = (left + width + right) * step;
  const tapRow = padded ? copiedRow : rowStride * dilations[0];
  const tapPlane = padded ? copiedRow * kernel[0] : channelStride;
  return {
    bytes: padded ? planes * kernel[0] * copiedRow : 0,
    pixelStride: step,
    planar,
    tapOffset: (channel, row, column) =>
      (planar ? channel * tapPlane : channel * bytes) + row * tapRow + column * dilations[1] * step,
    finish: (region, copied) => ({
      input: { address: region.address + input.offset * bytes, bytes: region.bytes - input.offset * bytes },
      inputRows: height,
      planes,
      planeStride: channelStride,
      rowStride,
      rowBytes,
      pixelStride: step,
      ...(padded && {
        copied: { region: copied, rowStride: copiedRow, left: left * step, padInteger, padBytes: bytes },
      }),
      kernelRows: kernel[0],
      dilation: dilations[0],
      stride: strides[0],
      top,
    }),
  };
}

function fits(integer: number, { bytes, signed }: MatchedConv["element"]): boolean {
  const bits = 8 * bytes;
  return signed ? integer >= -(2 ** (bits - 1)) && integer < 2 ** (bits - 1) : integer >= 0 && integer < 2 ** bits;
}
