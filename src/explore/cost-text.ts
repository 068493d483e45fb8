/** What a bundle costs on wasm3, as lines for people and for records. */
import type { LayerCost, Wasm3Cost } from "./wasm3-cost.ts";

/** One line per layer: name, kind, instructions, and those per MAC where it has any. */
export function costLines({ layers, steps, instructions }: Wasm3Cost): string[] {
  return [
    ...layers.map((cost) => {
      const { name, kind } = cost.layer;
      const perMac = cost.layer.macs > 0 ? `${perMacOf([cost]).toFixed(3)} per MAC` : "";
      return `${name.padEnd(24)} ${kind.padEnd(16)} ${String(cost.instructions).padStart(11)} ${perMac.padStart(17)}`.trimEnd();
    }),
    `${steps.length} steps, ${instructions} instructions`,
  ];
}

/** `figure` lines of instructions per MAC: of all packed convolutions together, then layer by layer. */
export function costFigures({ layers }: Wasm3Cost): string[] {
  const withMacs = layers.filter(({ layer }) => layer.macs > 0);
  const binary = withMacs.filter(({ layer }) => layer.weightBits === 1);
  const figure = (name: string, value: number) => `figure ${name} ${value.toFixed(3)} instructions`;
  return [
    ...(binary.length > 0 ? [figure("wasm3.ir_per_mac", perMacOf(binary))] : []),
    ...withMacs.map((cost) => figure(`wasm3.ir_per_mac.${cost.layer.name.replace(/[^\w.-]/g, "_")}`, perMacOf([cost]))),
  ];
}

/** Instructions per multiply-accumulate; everything else that the layers do is counted too. */
function perMacOf(costs: readonly LayerCost[]): number {
  const sum = (of: (cost: LayerCost) => number) => costs.reduce((total, cost) => total + of(cost), 0);
  return sum((cost) => cost.instructions) / sum((cost) => cost.layer.macs);
}
