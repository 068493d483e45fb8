/** The shipped model layer by layer on the emulated Cortex-M4: portable and native module on the firmware's wasm3, and C that runs the native plan. */
import type { LayerRow } from "../../bundle/manifest.ts";
import { tunedBoardInterpreter } from "../codegen/machines.ts";
import { measuredNetwork } from "../codegen/network.ts";
import { countPlan } from "../codegen/plan-counts.ts";
import { type LayerCost, sumByLayer, sumOfSteps } from "../wasm3-cost.ts";
import type { RunnerJob } from "../wasm3-runner.ts";

export interface LayerInstructions {
  readonly layer: LayerRow;
  readonly portable: number;
  readonly native: number;
  readonly c: number;
}

export interface NetworkInstructions {
  readonly layers: readonly LayerInstructions[];
  readonly portable: number;
  readonly native: number;
  readonly c: number;
  /** Of the portable profile. */
  readonly job: RunnerJob;
}

/**
 * @param file the model's, for errors
 * @param folder for what is built
 * @throws HedgeError: internal when module and C leave different bytes in memory
 */
export async function countNetwork(model: Uint8Array, file: string, folder: string): Promise<NetworkInstructions> {
  const board = await tunedBoardInterpreter();
  const portable = await measuredNetwork(model, file, "portable");
  const native = await measuredNetwork(model, file, "native");
  const [onPortable, onNative] = [(await board(portable.job)).steps, (await board(native.job)).steps];
  const c = await countPlan(native, onNative, folder);
  const byLayer = [
    sumByLayer(portable.bundle.manifest.layers, onPortable),
    ...[onNative, c].map((steps) => sumByLayer(native.bundle.manifest.layers, steps)),
  ];
  const instructionsOf = (costs: readonly LayerCost[], name: string): number =>
    costs.find(({ layer }) => layer.name === name)?.instructions ?? 0;
  return {
    layers: byLayer[0]!.map(({ layer }) => {
      const [p, n, pure] = byLayer.map((costs) => instructionsOf(costs, layer.name));
      return { layer, portable: p!, native: n!, c: pure! };
    }),
    portable: sumOfSteps(onPortable),
    native: sumOfSteps(onNative),
    c: sumOfSteps(c),
    job: portable.job,
  };
}

/** A row of numbers for people; thousands apart. */
const row = (name: string, cells: readonly (string | number)[]): string =>
  name.padEnd(24) +
  cells.map((cell) => (typeof cell === "number" ? cell.toLocaleString("en") : cell).padStart(14)).join("");

export function layerTable({ layers, portable, native, c }: NetworkInstructions): string[] {
  const ratios = (p: number, n: number, pure: number): string[] => [(p / pure).toFixed(2), (n / pure).toFixed(3)];
  return [
    row("Arm instructions", ["portable", "native", "C", "portable/C", "native/C"]),
    ...layers.map(({ layer, ...of }) =>
      row(layer.name, [of.portable, of.native, of.c, ...ratios(of.portable, of.native, of.c)]),
    ),
    row("all", [portable, native, c, ...ratios(portable, native, c)]),
  ];
}
