/** Axes of plots, and the scales behind them. */
import type { Scale, Axis as VegaAxis } from "vega";
import { FAINT, FONT, INK } from "./colours.ts";
import type { Axis } from "./plot.ts";

type Domain = readonly [number, number] | { readonly data: string; readonly field: string };

export function axisScale(name: string, { scale, domain }: Axis, range: "width" | "height", of: Domain): Scale {
  const ends = Array.isArray(of) ? ([...of] as [number, number]) : (of as { data: string; field: string });
  const nice = domain === undefined && name === "y";
  if (scale === "log") return { name, type: "log", domain: ends, range, nice, clamp: true };
  return { name, type: "linear", domain: ends, range, nice: nice || range === "width", zero: domain === undefined };
}

export const extremes = (values: readonly number[]): [number, number] =>
  values.length === 0 ? [0, 1] : [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))];

export const axisLook = {
  labelColor: INK,
  titleColor: INK,
  domainColor: FAINT,
  tickColor: FAINT,
  gridColor: FAINT,
  labelFont: FONT,
  titleFont: FONT,
  labelFontSize: 12,
  titleFontSize: 12,
  titleFontWeight: "normal",
  aria: false,
} as const;

/** How an axis writes its numbers; thousands and more in short. */
const NUMBER = {
  shares: "format(datum.value, '.0%')",
  numbers: "format(datum.value, abs(datum.value) < 1000 ? '~r' : '~s')",
};

/** A logarithmic axis has more lines than names: powers of ten are enough. */
const atPowersOfTen = (text: string) =>
  `abs(log(datum.value) / LN10 - round(log(datum.value) / LN10)) < 1e-9 ? ${text} : ''`;

export function axis(name: "x" | "y", { title, of, scale }: Axis): VegaAxis {
  return {
    ...axisLook,
    orient: name === "x" ? "bottom" : "left",
    scale: name,
    title,
    encode: {
      labels: { update: { text: { signal: scale === "log" ? atPowersOfTen(`(${NUMBER[of]})`) : NUMBER[of] } } },
    },
    grid: true,
    tickCount: scale === "log" ? 4 : 5,
    labelOverlap: scale === "linear",
  };
}
