/** Tables of docs/cloud.md that come from the source: `make docs` puts them between their marks, a test compares. */
import { z } from "zod";
import { workerConfigSchema } from "../cloud/config.ts";
import { METRICS } from "../cloud/metrics.ts";
import { table } from "./pages.ts";

/** By the mark: what stands between `<!-- MARK -->` and `<!-- /MARK -->`. */
export const CLOUD_BLOCKS: Readonly<Record<string, () => string>> = {
  configuration: () =>
    table(["key", "default", "meaning"], keysOf(z.toJSONSchema(workerConfigSchema, { io: "input" }))),
  metrics: () => {
    const rows = Object.entries<{ type: string; help: string; labels?: readonly string[] }>(METRICS);
    return table(
      ["metric", "type", "labels", "meaning"],
      rows.map(([name, { type, labels = [], help }]) => [`\`${name}\``, type, labels.join(", "), help]),
    );
  },
};

/** The page with its tables as they should be. */
export function withBlocks(page: string): string {
  return Object.entries(CLOUD_BLOCKS).reduce((text, [mark, block]) => {
    const [start, end] = [`<!-- ${mark} -->\n`, `\n<!-- /${mark} -->`];
    const [from, to] = [text.indexOf(start), text.indexOf(end)];
    if (from < 0 || to < from) throw new Error(`the page lacks ${start.trim()} and ${end.trim()}`);
    return text.slice(0, from + start.length) + block() + text.slice(to);
  }, page);
}

/** The leaves of a schema: path, default, meaning. */
function keysOf(schema: z.core.JSONSchema.BaseSchema, path = ""): string[][] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, value]) => {
    const key = path === "" ? name : `${path}.${name}`;
    const { properties, default: preset, description = "", enum: choices } = value as z.core.JSONSchema.BaseSchema;
    if (properties !== undefined) return keysOf(value as z.core.JSONSchema.BaseSchema, key);
    return [
      [`\`${key}\``, preset === undefined ? "" : JSON.stringify(preset), description || (choices ?? []).join(", ")],
    ];
  });
}
