/**
 * Quantities as people write them in configuration files: a number and its unit, "30s", "16MB", "1%". Each type here gives a plain number in
 * the unit that its name says; as JSON Schema it is a string with a pattern.
 */
import { z } from "zod";

type Scales = Readonly<Record<string, number>>;

/** Unit prefixes; a thousand each, save where a byte's are written Ki, Mi, Gi. */
const SI: Scales = { n: 1e-9, u: 1e-6, m: 1e-3, "": 1, k: 1e3, M: 1e6, G: 1e9 };

const prefixed = (unit: string, prefixes: readonly string[]): Scales =>
  Object.fromEntries(prefixes.map((prefix) => [`${prefix}${unit}`, SI[prefix]!]));

const DURATIONS: Scales = { us: 1e-3, ms: 1, s: 1e3, m: 6e4, h: 36e5, d: 864e5 };
const BYTES: Scales = { ...prefixed("B", ["", "k", "M", "G"]), KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 };
const BIT_RATES = prefixed("bit/s", ["", "k", "M", "G"]);
const WATTS = prefixed("W", ["n", "u", "m", ""]);
const JOULES: Scales = {
  ...prefixed("J", ["n", "u", "m", "", "k"]),
  ...Object.fromEntries(Object.entries(prefixed("Wh", ["m", ""])).map(([unit, scale]) => [unit, scale * 3600])),
};

/** A number of 0 or more, then one of the units; 0 needs none. */
function quantity(what: string, units: Scales, example: string) {
  const names = Object.keys(units).filter((unit) => unit !== "");
  const escaped = names.map((name) => name.replace("/", "\\/"));
  const bare = "" in units ? "?" : "";
  const pattern = new RegExp(`^(?:0|(\\d{1,15}(?:\\.\\d{1,15})?) ?(${escaped.join("|")})${bare})$`);
  const flaw = `it is no ${what} such as ${example} (units: ${names.join(", ")})`;
  return z.union([z.string({ error: flaw }).regex(pattern, flaw), z.literal(0)], { error: flaw }).transform((text) => {
    const [, number, unit = ""] = pattern.exec(String(text))!;
    return number === undefined ? 0 : Number(number) * units[unit]!;
  });
}

/** Milliseconds, from "250ms", "30s", "5m", "1.5h", "2d". */
export const duration = quantity("duration", DURATIONS, "250ms, 30s or 2d");

/** Milliseconds, more than none. */
export const someDuration = duration.refine((ms) => ms > 0, "it has to be more than 0");

/** Whole bytes, from "64KiB", "16MB". */
export const bytes = quantity("size", BYTES, "64KiB or 16MB").refine(
  Number.isInteger,
  "it is no whole number of bytes",
);

/** Bits per second, from "100kbit/s". */
export const bitRate = quantity("bit rate", BIT_RATES, "100kbit/s").refine(
  (rate) => rate > 0,
  "it has to be more than 0",
);

/** Watts, from "80mW". */
export const power = quantity("power", WATTS, "80mW or 30uW");

/** Joules, from "2uJ" or "2000mWh". */
export const energy = quantity("energy", JOULES, "2uJ, 3J or 2000mWh");

const SHARE_FLAW = "it is no share such as 1% or 0.01, from 0 to 100%";
const SHARE = /^(\d{1,3}(?:\.\d{1,15})?)%$/;

/** A share of 1, from "1%" or 0.01. */
export const share = z
  .union([z.number(), z.string({ error: SHARE_FLAW }).regex(SHARE, SHARE_FLAW)], { error: SHARE_FLAW })
  .transform((value) => (typeof value === "number" ? value : Number(SHARE.exec(value)![1]) / 100))
  .refine((value) => value >= 0 && value <= 1, SHARE_FLAW);

/** Parts per one, from "40ppm". */
export const ppm = quantity("deviation", { ppm: 1e-6 }, "40ppm");
