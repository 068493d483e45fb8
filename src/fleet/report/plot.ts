/** Plots as data: what is drawn, and what a table beside it says. `draw.ts` makes pictures of them. */

export interface Axis {
  readonly title: string;
  /** Logarithmic where values differ by orders of magnitude; such an axis shows values above 0 only. */
  readonly scale: "linear" | "log";
  /** Shares from 0 to 1, written in percent, or any numbers. */
  readonly of: "shares" | "numbers";
  /** Where it begins and ends, if not at its values' extremes; a linear axis of values begins at 0. */
  readonly domain?: readonly [number, number];
}

export interface Series {
  readonly name: string;
  /** In the order of x. An undefined y leaves a gap. */
  readonly points: readonly (readonly [x: number, y: number | undefined])[];
}

export interface LinePlot {
  readonly kind: "lines";
  readonly x: Axis;
  readonly y: Axis;
  readonly series: readonly Series[];
  /** Filled, each series upon those before it. */
  readonly stacked?: boolean;
}

export interface BarPlot {
  readonly kind: "bars";
  readonly categories: readonly string[];
  readonly y: Axis;
  /** One value for each category. */
  readonly series: readonly { readonly name: string; readonly values: readonly (number | undefined)[] }[];
  readonly stacked?: boolean;
}

export interface PlotTable {
  readonly head: readonly string[];
  /** Cells as they are shown; the first names the row. */
  readonly rows: readonly (readonly string[])[];
}

/** A plot with everything around it. */
export interface Figure {
  /** Unique in its report; letters and hyphens. */
  readonly id: string;
  readonly title: string;
  /** A sentence on what is shown. */
  readonly caption: string;
  readonly plot: LinePlot | BarPlot;
  readonly table: PlotTable;
}
