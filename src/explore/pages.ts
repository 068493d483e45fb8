/** Pages of docs/ that are written from tables in the source: tools/docs/update-pages.js writes them, a test compares. */
import { DIAGNOSTICS, type Diagnostic } from "../diagnostics.ts";
import { type ImportRule, QONNX_OPERATORS, STANDARD_OPERATORS } from "../import/registry.ts";

const STAGES: Readonly<Record<string, string>> = {
  1: "The file",
  2: "Its nodes",
  3: "The passes",
  4: "The planner",
  5: "The board",
};

const row = (...cells: readonly string[]): string =>
  `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
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

/** By their path from the root of the repository. */
export const PAGES: Readonly<Record<string, () => string>> = {
  "docs/diagnostics.md": diagnosticsPage,
  "docs/operators.md": operatorsPage,
};
