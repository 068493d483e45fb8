/** An analysis for people: totals, and the share of a board's budget. */
import { type Board, budgetOf } from "../../boards/boards.ts";
import type { Instructions } from "../cost/estimate.ts";
import type { Analysis, LayerAnalysis } from "./analysis.ts";

export const COLUMNS = [
  "layer",
  "kind",
  "MACs binary",
  "low-bit",
  "8-bit",
  "RAM B",
  "weight B",
  "metacode B",
  "instructions",
  "energy nJ",
] as const;

export function layerCells({ macs, instructions, ...layer }: LayerAnalysis): (string | number)[] {
  return [
    layer.name,
    layer.kind,
    macs.binary.toLocaleString("en"),
    macs.lowBit.toLocaleString("en"),
    macs.byte.toLocaleString("en"),
    layer.ramBytes ?? "",
    layer.flashBytes,
    layer.metacodeBytes,
    instructions?.arm.toLocaleString("en") ?? "",
    (layer.energyPicojoules / 1000).toFixed(1),
  ];
}

export function totalLines(analysis: Analysis, board: Board | undefined): string[] {
  const { name, digest, macs, ram, stackBytes, flash, instructions, energyPicojoules } = analysis;
  const budget = board && budgetOf(board);
  const share = (bytes: number, of: number | undefined): string =>
    of === undefined ? "" : `, ${((100 * bytes) / of).toFixed(0)} % of the ${of} that ${board!.name} has left`;
  return [
    `${name}  ${digest.slice(0, 16)}`,
    `MACs          ${macs.binary.toLocaleString("en")} binary, ${macs.lowBit.toLocaleString("en")} low-bit, ${macs.byte.toLocaleString("en")} 8-bit`,
    `RAM           ${ram.total} B = linear memory ${ram.linear} + code ${ram.code} + wasm3's stack ${ram.stack} (${stackBytes} needed) and structures ${ram.structures}${share(ram.total, budget?.ram)}`,
    `flash         ${flash.total} B = module ${flash.module} + weights ${flash.weights}${share(flash.total, budget?.flash)}`,
    `instructions  ${instructionsText(instructions, board)}`,
    `energy        ${(energyPicojoules / 1e6).toFixed(2)} uJ by the table of the CDHNN paper, communication not counted`,
    ...(board?.notes ? [`note          ${board.notes}`] : []),
  ];
}

function instructionsText(instructions: Instructions | undefined, board: Board | undefined): string {
  if (!instructions) return "not estimated: native kernels compute";
  const million = (count: number): string => (count / 1e6).toFixed(1);
  const { arm, armTuned, x86 } = instructions;
  const seconds = (count: number): string => (count / board!.clockMHz / 1e6).toFixed(2);
  return [
    `${million(arm)} million on a Cortex-M4, ${million(armTuned)} with the firmware's build of wasm3 (x86-64: ${million(x86)})`,
    ...(board
      ? [`at least ${seconds(arm)} or ${seconds(armTuned)} s at ${board.clockMHz} MHz, an instruction a cycle`]
      : []),
  ].join(", ");
}
