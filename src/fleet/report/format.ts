/** Numbers as people read them. What was not measured is a dash. */

export const NOTHING = "–";

const grouped = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

type Format = (value: number | undefined) => string;
const ifMeasured =
  (format: (value: number) => string): Format =>
  (value) =>
    value === undefined ? NOTHING : format(value);

/** Three digits that count, and all in front of the point. */
function three(value: number): string {
  const size = Math.abs(value);
  if (size >= 99.95) return grouped.format(value);
  return value.toFixed(size >= 9.995 ? 1 : 2);
}

/** A value in the largest unit that leaves at least 1 of it; units from the smallest on, each worth so many of the smallest. */
const scaled = (units: readonly (readonly [name: string, worth: number])[]): Format =>
  ifMeasured((value) => {
    if (value === 0) return `0 ${units.find(([, worth]) => worth === 1)![0]}`;
    const [name, worth] = units.findLast(([, worth]) => Math.abs(value) >= worth) ?? units[0]!;
    return `${three(value / worth)} ${name}`;
  });

export const count: Format = ifMeasured((value) => grouped.format(value));
export const percent: Format = ifMeasured((share) => `${(100 * share).toFixed(1)} %`);
/** Of a share, for what is rare: 0.004 % is not nothing. */
export const smallPercent: Format = ifMeasured((share) => {
  const value = 100 * share;
  return value === 0 || value >= 1 ? `${value.toFixed(1)} %` : `${value.toPrecision(2)} %`;
});
export const milliseconds: Format = scaled([
  ["µs", 1e-3],
  ["ms", 1],
  ["s", 1_000],
  ["min", 60_000],
  ["h", 3_600_000],
]);
export const seconds: Format = scaled([
  ["ms", 1e-3],
  ["s", 1],
  ["min", 60],
  ["h", 3_600],
  ["d", 86_400],
]);
export const bytes: Format = scaled([
  ["B", 1],
  ["kB", 1e3],
  ["MB", 1e6],
  ["GB", 1e9],
  ["TB", 1e12],
]);
export const joules: Format = scaled([
  ["µJ", 1e-6],
  ["mJ", 1e-3],
  ["J", 1],
  ["kJ", 1e3],
  ["MJ", 1e6],
]);
export const days: Format = scaled([
  ["min", 1 / 1_440],
  ["h", 1 / 24],
  ["d", 1],
  ["y", 365.25],
]);
