/** The figures of the code generator: `figure NAME VALUE UNIT`, all of one run. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HedgeError } from "../../errors.ts";
import { EstimateErrors } from "./estimate-error.ts";
import {
  countLayer,
  type Interpreters,
  type LayerCounts,
  layerFigures,
  tableHead,
  tableRow,
  timesFewer,
} from "./layer-counts.ts";
import { binaryConv, bipolarConv, imageConv, type LayerKind, levelConv } from "./layer-kinds.ts";
import { boardInterpreter, hostInterpreter, hostInterpreterWithPopcnt, tunedBoardInterpreter } from "./machines.ts";
import { type MeasuredLayer, measuredLayer } from "./measured-layer.ts";
import { type Figure, networkFigures } from "./network-figures.ts";

export interface FigureOptions {
  /** Takes each figure as soon as it is known. */
  readonly print: (line: string) => void;
  /** Takes what is being measured. */
  readonly progress: (what: string) => void;
}

interface Case {
  readonly name: string;
  readonly make: () => MeasuredLayer;
}

const onMap = (channels: number, kind: LayerKind): MeasuredLayer => measuredLayer([channels, SIDE, SIDE], kind);
const SIDE = 16;

/** Binarized layers: of 8-bit maps without and with a shortcut, and of +-1 to +-1. */
const BINARY_LAYERS: readonly Case[] = [
  ...[32, 64].map((n) => ({ name: `binconv${n}`, make: () => onMap(n, binaryConv(n, SIDE, { shortcut: false })) })),
  ...[16, 32, 64].map((n) => ({ name: `resconv${n}`, make: () => onMap(n, binaryConv(n, SIDE, { shortcut: true })) })),
  ...[32, 64].map((n) => ({ name: `bitconv${n}`, make: () => onMap(n, bipolarConv(n, SIDE)) })),
];
/** Held to natural C, low-bit ones also to C by somebody who thinks of bit planes. */
const OTHER_LAYERS: readonly Case[] = [
  ...[2, 4].flatMap((bits) => [
    { name: `conv${bits}w${bits}a`, make: () => onMap(32, levelConv(bits, 32, SIDE)) },
    { name: `conv${bits}w${bits}a.planes`, make: () => onMap(32, levelConv(bits, 32, SIDE, "plane-conv.c")) },
  ]),
  {
    name: "firstconv",
    make: () => measuredLayer([3, 32, 32], imageConv(3, 16, 32), binaryConv(16, 32, { shortcut: true })),
  },
];

/** @throws HedgeError: usage when a compiler, valgrind or QEMU is missing or the host is no x86-64; internal when two builds compute different bytes */
export async function codegenFigures({ print, progress }: FigureOptions): Promise<void> {
  const figure: Figure = (name, value, decimals, unit) => print(`figure ${name} ${value.toFixed(decimals)} ${unit}`);
  if (process.arch !== "x64")
    throw new HedgeError(
      "usage",
      `This host is ${process.arch}, and the figures compare with instructions of x86-64.`,
      "Run the bench on x86-64; the figures of the Cortex-M4 are the same on every machine.",
    );
  const folder = await mkdtemp(join(tmpdir(), "hedge-codegen-"));
  const estimates = new EstimateErrors();
  try {
    progress("building wasm3 for this host and for a Cortex-M4");
    const interpreters: Interpreters = {
      arm: await boardInterpreter(),
      tuned: await tunedBoardInterpreter(),
      x86: await hostInterpreter(),
      popcnt: await hostInterpreterWithPopcnt(),
    };
    const count = async (name: string, layer: MeasuredLayer): Promise<LayerCounts> => {
      progress(name);
      const counts = await countLayer(name, layer, interpreters, estimates, folder);
      print(tableRow(name, counts, layer.macs));
      for (const line of layerFigures(name, counts, layer.macs)) print(line);
      return counts;
    };
    print(tableHead());
    for (const { name, make } of BINARY_LAYERS) await count(name, make());
    const ratios: [string, number][] = [];
    for (const { name, make } of OTHER_LAYERS) ratios.push([`${name}.vs_clang`, timesFewer(await count(name, make()))]);
    // Behind the table, not among its rows.
    for (const [name, ratio] of ratios) figure(name, ratio, 2, "times");
    progress("ResNet-32, 20 layers on the edge");
    await networkFigures(figure, interpreters, estimates, folder);
    const { name, error } = estimates.worst;
    print(`worst estimate of instructions: ${name}`);
    figure("estimate.instructions.error", 100 * error, 1, "%");
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
