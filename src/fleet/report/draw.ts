/** Pictures of plots: SVG without scripts. */
import { type Legend, type Mark, parse, type Scale, type Spec, View } from "vega";
import { axis, axisLook, axisScale, extremes } from "./axes.ts";
import { COLOUR_VARIABLES, COLOURS, DASHES, FONT, INK } from "./colours.ts";
import type { Axis, BarPlot, LinePlot } from "./plot.ts";

/** Of a picture, with everything around the plot; a page scales it to the place there is. */
const WIDTH = 420;
/** Of lines, without what is around them. */
const HEIGHT = 190;
/** Of a category's bars, in all. */
const BAND = 26;
/** More categories than this are closer together. */
const TALLEST = 640;

/** An SVG element, to stand in a page that defines the variables of `COLOUR_VARIABLES`. */
export async function drawPlot(plot: LinePlot | BarPlot): Promise<string> {
  const spec = plot.kind === "lines" ? lineSpec(plot) : barSpec(plot);
  const view = new View(parse(spec), { renderer: "none" });
  try {
    return await view.toSVG();
  } finally {
    view.finalize();
  }
}

/** A picture as a file of its own, with a title for those who cannot see it. */
export async function drawAlone(title: string, plot: LinePlot | BarPlot): Promise<string> {
  const svg = await drawPlot(plot);
  const style = `<style>${COLOUR_VARIABLES} :root { background: var(--paper) }</style>`;
  return `${svg.replace(/<svg[^>]*>/, (start) => `${start}<title>${escapeText(title)}</title>${style}`)}\n`;
}

export const escapeText = (text: string): string =>
  text.replace(/[&<>"']/g, (character) => `&#${character.codePointAt(0)};`);

function lineSpec({ x, y, series, stacked }: LinePlot): Spec {
  const shows = (axis: Axis, value: number | undefined) =>
    value !== undefined && (axis.scale === "linear" || value > 0);
  const points = series.flatMap(({ name, points }) =>
    points.map(([at, value]) => ({ series: name, x: at, y: value ?? 0, shown: shows(x, at) && shows(y, value) })),
  );
  const shown = points.filter((point) => point.shown);
  const top = stacked ? "top" : "y";
  return {
    ...frame(
      series.map(({ name }) => name),
      stacked ? "fill" : "stroke",
    ),
    height: HEIGHT,
    data: [
      {
        name: "points",
        values: points,
        transform: stacked ? [{ type: "stack", groupby: ["x"], field: "y", as: ["bottom", "top"] }] : [],
      },
    ],
    scales: [
      axisScale("x", x, "width", x.domain ?? extremes(shown.map((point) => point.x))),
      axisScale("y", y, "height", y.domain ?? { data: "points", field: top }),
      ...seriesScales(series.map(({ name }) => name)),
    ],
    axes: [axis("x", x), axis("y", y)],
    marks: [
      {
        type: "group",
        from: { facet: { name: "line", data: "points", groupby: "series" } },
        marks: stacked ? [areaMark] : [lineMark, ...(fewPoints(series) ? [dotMark] : [])],
      },
    ],
  };
}

const place = { x: { scale: "x", field: "x" }, defined: { field: "shown" } } as const;
const lineMark: Mark = {
  type: "line",
  from: { data: "line" },
  encode: {
    enter: {
      ...place,
      y: { scale: "y", field: "y" },
      stroke: { scale: "colour", field: "series" },
      strokeDash: { scale: "dash", field: "series" },
      strokeWidth: { value: 2 },
    },
  },
};
const dotMark: Mark = {
  type: "symbol",
  from: { data: "line" },
  encode: {
    enter: {
      x: place.x,
      y: { scale: "y", field: "y" },
      fill: { scale: "colour", field: "series" },
      size: { signal: "datum.shown ? 22 : 0" },
    },
  },
};
const areaMark: Mark = {
  type: "area",
  from: { data: "line" },
  encode: {
    enter: {
      ...place,
      y: { scale: "y", field: "top" },
      y2: { scale: "y", field: "bottom" },
      fill: { scale: "colour", field: "series" },
    },
  },
};

/** Few enough that each is marked: a single one would draw no line. */
const fewPoints = (series: LinePlot["series"]) => series.every(({ points }) => points.length <= 30);

function barSpec({ categories, y, series, stacked }: BarPlot): Spec {
  const bars = series.flatMap(({ name, values }) =>
    categories.map((category, i) => ({ series: name, category: i, name: category, value: values[i] ?? 0 })),
  );
  return {
    ...frame(series.length > 1 ? series.map(({ name }) => name) : [], "fill"),
    height: Math.min(TALLEST, BAND * categories.length),
    data: [
      {
        name: "bars",
        values: bars,
        transform: stacked
          ? [{ type: "stack", groupby: ["category"], field: "value", as: ["from", "to"] }]
          : [
              { type: "formula", as: "from", expr: "0" },
              { type: "formula", as: "to", expr: "datum.value" },
            ],
      },
    ],
    scales: [
      axisScale("x", y, "width", y.domain ?? { data: "bars", field: "to" }),
      // By number: two categories may bear one name.
      { name: "y", type: "band", domain: categories.map((_, i) => i), range: "height", padding: 0.2 },
      { name: "names", type: "ordinal", domain: categories.map((_, i) => i), range: [...categories] },
      ...seriesScales(series.map(({ name }) => name)),
    ],
    axes: [
      axis("x", y),
      {
        ...axisLook,
        orient: "left",
        scale: "y",
        ticks: false,
        labelLimit: 210,
        encode: { labels: { update: { text: { scale: "names", field: "value" } } } },
      },
    ],
    marks: [
      {
        type: "group",
        from: { facet: { name: "row", data: "bars", groupby: "category" } },
        encode: { enter: { y: { scale: "y", field: "category" }, height: { scale: "y", band: 1 } } },
        signals: [{ name: "height", update: "bandwidth('y')" }],
        scales: [
          { name: "place", type: "band", domain: stacked ? [0] : series.map(({ name }) => name), range: "height" },
        ],
        marks: [
          {
            type: "rect",
            from: { data: "row" },
            encode: {
              enter: {
                x: { scale: "x", field: "from" },
                x2: { scale: "x", field: "to" },
                y: stacked ? { value: 0 } : { scale: "place", field: "series" },
                height: { scale: "place", band: 1 },
                fill: { scale: "colour", field: "series" },
              },
            },
          },
        ],
      },
    ],
  };
}

function frame(names: readonly string[], by: "stroke" | "fill"): Omit<Spec, "marks"> {
  const legend: Legend = {
    [by]: "colour",
    ...(by === "stroke" ? { strokeDash: "dash", symbolType: "stroke", symbolSize: 300 } : { symbolType: "square" }),
    orient: "top",
    direction: "horizontal",
    columns: names.length > 4 ? 3 : 4,
    labelLimit: 160,
    labelColor: INK,
    labelFont: FONT,
    labelFontSize: 12,
    aria: false,
  };
  return {
    width: WIDTH,
    padding: 4,
    autosize: { type: "fit-x", contains: "padding" },
    legends: names.length > 1 ? [legend] : [],
  };
}

function seriesScales(names: readonly string[]): Scale[] {
  const domain = [...names];
  return [
    { name: "colour", type: "ordinal", domain, range: COLOURS },
    { name: "dash", type: "ordinal", domain, range: DASHES },
  ];
}
