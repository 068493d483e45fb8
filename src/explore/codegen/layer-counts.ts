/** A layer's instructions everywhere, and how they are shown. */
import { sumOfSteps } from "../wasm3-cost.ts";
import { countSteps } from "./count-steps.ts";
import type { EstimateErrors } from "./estimate-error.ts";
import { boardProgram, hostProgram, type Machine } from "./machines.ts";
import type { MeasuredLayer } from "./measured-layer.ts";
import { countNative, naturalModule } from "./natural-c.ts";

/** Machine and build; on x86-64 the module on wasm3 as it is has no name of its own. */
const COLUMNS = [
  ["arm", "stock"],
  ["arm", "tuned"],
  ["arm", "clang"],
  ["arm", "native"],
  ["x86", ""],
  ["x86", "popcnt"],
  ["x86", "clang"],
  ["x86", "native"],
] as const;
const NAME_WIDTH = 16;
const WIDTH = 12;

/** Instructions, in the order of the columns. */
export type LayerCounts = readonly number[];

/** wasm3: on the board unmodified and tuned, on this host without and with the popcnt instruction. */
export interface Interpreters {
  readonly arm: Machine;
  readonly tuned: Machine;
  readonly x86: Machine;
  readonly popcnt: Machine;
}

/**
 * @param name for errors
 * @param folder for what is built
 */
export async function countLayer(
  name: string,
  { job, step, natural, output }: MeasuredLayer,
  { arm, tuned, x86, popcnt }: Interpreters,
  estimates: EstimateErrors,
  folder: string,
): Promise<LayerCounts> {
  const ours = await countSteps([arm, tuned, x86, popcnt], job);
  estimates.add(name, job, ours[0]!);
  const [onArm, onTuned, onX86, onPopcnt] = ours.map((steps) => steps[step]!.instructions);
  const clang = await countSteps([arm, x86], await naturalModule(natural, output, folder));
  const [clangOnArm, clangOnX86] = clang.map(sumOfSteps);
  const board = await countNative(natural, output, boardProgram, folder);
  const host = await countNative(natural, output, hostProgram, folder);
  return [onArm!, onTuned!, clangOnArm!, board, onX86!, onPopcnt!, clangOnX86!, host];
}

/** Of a layer on the board: how many times fewer instructions the module takes than the C by clang. */
export function timesFewer(counts: LayerCounts): number {
  return counts[2]! / counts[0]!;
}

/** `figure` lines of a layer. */
export function layerFigures(name: string, counts: LayerCounts, macs: number): string[] {
  return COLUMNS.map(([machine, build], i) => {
    const figure = [machine, name, build].filter((part) => part !== "").join(".");
    return `figure ${figure} ${(counts[i]! / macs).toFixed(3)} instructions per MAC`;
  });
}

/** The head of the table of layers. */
export function tableHead(): string {
  return row(
    "per MAC",
    COLUMNS.map(([machine, build]) => `${machine} ${build}`.trim()),
  );
}

export function tableRow(name: string, counts: LayerCounts, macs: number): string {
  return row(
    name,
    counts.map((count) => (count / macs).toFixed(3)),
  );
}

function row(name: string, cells: readonly string[]): string {
  return name.padEnd(NAME_WIDTH) + cells.map((cell) => cell.padStart(WIDTH)).join("");
}
