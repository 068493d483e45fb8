/** QONNX's quantiser nodes: domains, and what their attributes mean. Defaults are those of QONNX's own implementation. */
import { quantRange, ROUNDING } from "../../graph/operators/quant.ts";
import { intAttribute, stringAttribute } from "./attributes.ts";
import { QONNX_DOMAIN } from "./build.ts";
import type { OnnxNode } from "./types.ts";
import { Unsupported } from "./unsupported.ts";

/** Domains under which QONNX's operators have been published. */
export const QONNX_DOMAINS: ReadonlySet<string> = new Set([QONNX_DOMAIN, "onnx.brevitas", "finn.custom_op.general"]);

/** Whether a node is one of QONNX's operators. */
export function isQonnx(node: OnnxNode): boolean {
  return QONNX_DOMAINS.has(node.domain ?? "");
}

export interface QuantRange {
  readonly signed: 0 | 1;
  readonly narrow: 0 | 1;
  /** Smallest and largest integer. */
  readonly low: number;
  readonly high: number;
  /** Signed with one bit: the sign, +1 from 0 on, and neither clipped nor rounded. */
  readonly bipolar: boolean;
}

/**
 * The range of a Quant (narrow by default) or Trunc (not narrow by default).
 * @throws Unsupported for a bit width that is no whole number from 1 to 32
 */
export function rangeOfNode(node: OnnxNode, bits: number, narrowByDefault: 0 | 1 = 1): QuantRange {
  if (!Number.isInteger(bits) || bits < 1 || bits > 32)
    throw new Unsupported(`its bit width is ${bits}`, "Use 1 to 32 bits.", "H204");
  const signed = intAttribute(node, "signed", 1) === 0 ? 0 : 1;
  const narrow = intAttribute(node, "narrow", narrowByDefault) === 0 ? 0 : 1;
  const bipolar = bits === 1 && signed === 1;
  return { signed, narrow, ...quantRange(bits, signed === 1, narrow === 1), bipolar };
}

/**
 * The rounding mode, a key of ROUNDING.
 * @throws Unsupported for one that QONNX does not define
 */
export function roundingOfNode(node: OnnxNode, byDefault = "ROUND"): string {
  const mode = stringAttribute(node, "rounding_mode", byDefault).toUpperCase();
  if (Object.hasOwn(ROUNDING, mode)) return mode;
  throw new Unsupported(
    `its rounding mode is ${JSON.stringify(mode)}`,
    `Use one of ${Object.keys(ROUNDING).join(", ")}.`,
    "H204",
  );
}

export interface TruncParameters {
  readonly scale: number;
  readonly zero: number;
  /** Low bits that are dropped. */
  readonly shift: number;
  readonly outputScale: number;
  /** Of the output. */
  readonly bits: number;
  readonly signed: 0 | 1;
  readonly narrow: 0 | 1;
  readonly rounding: string;
}

/** What clips nothing. */
const WIDE = { bits: 32, signed: 1, narrow: 0 } as const;

/**
 * Trunc in version 2 (inputs x, scale, zero point, bits in, output scale, output zero point, bits out) and 1 (x, scale, zero point, bits in and
 * out), which keeps the scale and clips nothing.
 * @param scalar reads an input that is one constant
 * @throws Unsupported for parameters that are none
 */
export function truncOfNode(node: OnnxNode, scalar: (position: number, role: string) => number): TruncParameters {
  const [scale, zero] = [scalar(1, "scale"), scalar(2, "zero point")];
  const rounding = roundingOfNode(node, "FLOOR");
  if (node.input.length === 5) {
    checkScales([scale]);
    const shift = scalar(3, "input bit width") - scalar(4, "bit width");
    if (!Number.isInteger(shift) || Math.abs(shift) > 32)
      throw new Unsupported(`it drops ${shift} bits`, "Use whole bit widths up to 32.", "H204");
    if (zero !== 0)
      throw new Unsupported(
        `its zero point is ${zero} in version 1 of Trunc`,
        "Use a zero point of 0, or version 2.",
        "H204",
      );
    return { scale, zero, shift, outputScale: scale, ...WIDE, rounding };
  }
  if (node.input.length !== 7)
    throw new Unsupported(
      `it has ${node.input.length} inputs`,
      "Give it the seven of version 2 or the five of version 1.",
      "H204",
    );
  const outputScale = scalar(4, "output scale");
  checkScales([scale, outputScale]);
  const bits = scalar(6, "bit width");
  const { signed, narrow } = rangeOfNode(node, bits, 0);
  // A power of two; stored scales are rounded.
  return {
    scale,
    zero,
    shift: Math.round(Math.log2(outputScale / scale)),
    outputScale,
    bits,
    signed,
    narrow,
    rounding,
  };
}

/** @throws Unsupported unless every scale is a positive, finite number */
export function checkScales(scales: ArrayLike<number>): void {
  for (const scale of Array.from(scales))
    if (!(scale > 0 && scale < Number.POSITIVE_INFINITY))
      throw new Unsupported(`its scale ${scale} is not positive`, "Use positive scales.", "H204");
}
