/** Whether a model fits a board, and what would make it fit. */
import { type Board, budgetOf, knownBoards } from "../../boards/boards.ts";
import { PAGE_BYTES } from "../../bundle/check.ts";
import type { Compilation } from "../../bundle/compile.ts";
import { HedgeError } from "../../errors.ts";
import { type Analysis, analyzeBundle, type LayerAnalysis } from "./analysis.ts";

/** Linear memory that a model for this board may be planned with: more than a page, where the board has that. */
export function memoryLimitOf(board: Board): number {
  return Math.max(budgetOf(board).ram, PAGE_BYTES);
}

/** @throws HedgeError (check) as `overBudget` returns it */
export function refuseUnfit({ bundle, plan }: Pick<Compilation, "bundle" | "plan">, board: Board): void {
  const excess = overBudget(analyzeBundle(bundle, plan), board);
  if (excess) throw excess;
}

/** @returns an error for what the board has too little of, naming the layer that takes most of it; undefined when the model fits */
export function overBudget(analysis: Analysis, board: Board): HedgeError | undefined {
  const { ram, flash, name } = analysis;
  const budget = budgetOf(board);
  if (ram.total > budget.ram) {
    const isCode = ram.code > ram.linear;
    const most = largest(analysis, isCode ? (layer) => layer.metacodeBytes : memoryOf);
    const [part, help] = isCode
      ? [`code ${ram.code}`, "layers of equal shapes share their code, native kernels (--kernels native) have none"]
      : [`linear memory ${ram.linear}`, `smaller maps or fewer channels at "${most.name}"`];
    return refusal(
      `${name} needs ${ram.total} bytes of RAM on ${board.name}, which has ${budget.ram} left for it (${part}); "${most.name}" needs the most`,
      `Save ${ram.total - budget.ram} bytes: ${help}, or an earlier cut${roomier(analysis)}.`,
    );
  }
  if (flash.total > budget.flash) {
    const most = largest(analysis, (layer) => layer.flashBytes);
    return refusal(
      `${name} needs ${flash.total} bytes of flash on ${board.name}, which has ${budget.flash} left for it; "${most.name}" has ${most.flashBytes} bytes of weights`,
      `Save ${flash.total - budget.flash} bytes: fewer channels or bits at "${most.name}", or an earlier cut${roomier(analysis)}.`,
    );
  }
  return undefined;
}

function refusal(sentence: string, remedy: string): HedgeError {
  return new HedgeError("check", `${sentence}.`, remedy, { code: "H501" });
}

function memoryOf({ ramBytes, flashBytes }: LayerAnalysis): number {
  return ramBytes ?? flashBytes;
}

function largest({ layers }: Analysis, of: (layer: LayerAnalysis) => number): LayerAnalysis {
  return layers.reduce((most, layer) => (of(layer) > of(most) ? layer : most));
}

/** The smallest board that would do, for a remedy. */
function roomier({ ram, flash }: Analysis): string {
  const board = knownBoards().find((each) => budgetOf(each).ram >= ram.total && budgetOf(each).flash >= flash.total);
  return board ? `; it fits ${board.name}` : "";
}
