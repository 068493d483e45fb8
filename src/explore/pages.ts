/** Pages of docs/ that are written from tables in the source: tools/docs/update-pages.js writes them, a test compares. */
import { z } from "zod";
import { DIAGNOSTICS, type Diagnostic } from "../diagnostics.ts";
import { fleetSchema } from "../fleet/spec.ts";
import { type ImportRule, QONNX_OPERATORS, STANDARD_OPERATORS } from "../import/registry.ts";
import { type JsonSchema, schemaKeys } from "./schema-keys.ts";

const STAGES: Readonly<Record<string, string>> = {
  1: "The file",
  2: "Its nodes",
  3: "The passes",
  4: "The planner",
  5: "The board",
};

const row = (...cells: readonly string[]): string =>
  `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
export const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [row(...head), row(...head.map(() => "---")), ...rows.map((cells) => row(...cells))].join("\n");

function diagnosticsPage(): string {
  const diagnostics = Object.entries<Diagnostic>(DIAGNOSTICS);
  const sections = Object.entries(STAGES).map(([hundred, title]) => {
    const rows = diagnostics.filter(([code]) => code[1] === hundred);
    return `## ${title}\n\n${table(
      ["number", "meaning", "remedy"],
      rows.map(([code, { summary, remedy }]) => [code, summary, remedy]),
    )}\n`;
  });
  return [
    "# Diagnostics\n",
    "What keeps a model from compiling has a number: `hedge compile` ends with `error H201: ...`, `hedge check` lists everything that it",
    "finds, and with `--json` both give the number as `code`. The sentence beside it names the node and the value.\n",
    "<!-- Written by `make docs` from src/diagnostics.ts. -->\n",
    sections.join("\n"),
  ].join("\n");
}

function operatorsPage(): string {
  return [
    "# Operators\n",
    "The ONNX operators that compile for a device, from operator set 9 on. What depends on constants alone is computed while the model is",
    "read; an operator that is not in these lists is refused. `hedge check model.onnx` names every node that does not compile.\n",
    "<!-- Written by `make docs` from src/import/registry.ts. -->\n",
    `## Standard operators: ${STANDARD_OPERATORS.size}\n`,
    `${operatorRows(STANDARD_OPERATORS)}\n`,
    `## Quantisers: ${QONNX_OPERATORS.size}\n`,
    "Of the domains `qonnx.custom_op.general`, `onnx.brevitas` and `finn.custom_op.general`.\n",
    `${operatorRows(QONNX_OPERATORS)}\n`,
  ].join("\n");
}

/** Operators of which the same compiles share a row. */
function operatorRows(operators: ReadonlyMap<string, ImportRule>): string {
  const byNote = new Map<string, string[]>();
  for (const [name, { note }] of [...operators].sort(([a], [b]) => (a < b ? -1 : 1)))
    byNote.set(note, [...(byNote.get(note) ?? []), `\`${name}\``]);
  return table(
    ["operator", "what compiles"],
    [...byNote].map(([note, names]) => [names.join(", "), note]),
  );
}

function fleetFilePage(): string {
  const keys = schemaKeys(z.toJSONSchema(fleetSchema, { io: "input" }) as JsonSchema);
  const rows = (of: (path: string) => boolean, cut = "") =>
    table(
      ["key", "value", "default", "meaning"],
      keys
        .filter(({ path }) => of(path))
        .map(({ path, values, byDefault, isRequired, description }) => [
          `\`${path.slice(cut.length)}\``,
          values,
          byDefault === "" ? (isRequired ? "**required**" : "") : `\`${byDefault}\``,
          description,
        ]),
    );
  const within = (key: string) => (path: string) => path.startsWith(key);
  return [
    "# The fleet's file\n",
    "What the file of `hedge fleet run` may say, key by key; [fleet.md](fleet.md) says how it is used. `hedge schema fleet` prints the same as JSON",
    "Schema, by which editors complete and check it. Paths are relative to the file. Quantities are written with their units: durations `250ms`, `30s`, `5m`,",
    "`1.5h`, `2d`; bit rates `100kbit/s`; powers `80mW`, `30uW`; energies `2uJ`, `2000mWh`; shares `1%` or `0.01`; deviations of clocks `40ppm`.\n",
    "<!-- Written by `make docs` from src/fleet/spec.ts. -->\n",
    `## The fleet\n\n${rows((path) => !/^(groups|cloud)[.[]/.test(path))}\n`,
    `## \`cloud\`: the workers, as virtual time models them\n\n${rows(within("cloud."), "cloud.")}\n`,
    `## \`groups\`: a list of devices that are alike\n\n${rows(within("groups[]."), "groups[].")}\n`,
  ].join("\n");
}

/** By their path from the root of the repository. */
export const PAGES: Readonly<Record<string, () => string>> = {
  "docs/diagnostics.md": diagnosticsPage,
  "docs/fleet-file.md": fleetFilePage,
  "docs/operators.md": operatorsPage,
};
