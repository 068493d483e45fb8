/** Tables of docs/cloud.md that come from the source: `make docs` puts them between their marks, a test compares. */
import { z } from "zod";
import { workerConfigSchema } from "../cloud/config.ts";
import { METRICS } from "../cloud/metrics.ts";
import { table } from "./pages.ts";
import { type JsonSchema, schemaKeys } from "./schema-keys.ts";

/** By the mark: what stands between `<!-- MARK -->` and `<!-- /MARK -->`. */
const CLOUD_BLOCKS: Readonly<Record<string, () => string>> = {
  configuration: () => {
    const keys = schemaKeys(z.toJSONSchema(workerConfigSchema, { io: "input" }) as JsonSchema);
    return table(
      ["key", "value", "default", "meaning"],
      keys.map(({ path, values, byDefault, description }) => [
        `\`${path}\``,
        values,
        byDefault === "" ? "" : `\`${byDefault}\``,
        description,
      ]),
    );
  },
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
