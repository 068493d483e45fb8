/** The figures of the code generator: `figure NAME VALUE UNIT`, all of one run. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HedgeError } from "../../errors.ts";
import { sumOfSteps } from "../wasm3-cost.ts";
import { countSteps } from "./count-steps.ts";
import { EstimateErrors } from "./estimate-error.ts";
import { binaryConv, bipolarConv, imageConv, type LayerKind, levelConv } from "./layer-kinds.ts";
import {
  boardInterpreter,
  boardProgram,
  hostInterpreter,
  hostInterpreterWithPopcnt,
  hostProgram,
  tunedBoardInterpreter,
} from "./machines.ts";
import { type MeasuredLayer, measuredLayer } from "./measured-layer.ts";
import { countNative, naturalModule } from "./natural-c.ts";
import { networkFigures } from "./network-figures.ts";

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
const OTHER_LAYERS: readonly Case[] = [
  { name: "conv2w2a", make: () => onMap(32, levelConv(2, 32, SIDE)) },
  { name: "conv4w4a", make: () => onMap(32, levelConv(4, 32, SIDE)) },
  {
    name: "firstconv",
    make: () => measuredLayer([3, 32, 32], imageConv(3, 16, 32), binaryConv(16, 32, { shortcut: true })),
  },
];

/** @throws HedgeError: usage when a compiler, valgrind or QEMU is missing */
export async function codegenFigures({ print, progress }: FigureOptions): Promise<void> {
  const figure = (name: string, value: number, digits: number, unit: string): void =>
    print(`figure ${name} ${value.toFixed(digits)} ${unit}`);
  const folder = await mkdtemp(join(tmpdir(), "hedge-codegen-"));
  try {
    progress("building wasm3 for this host and for a Cortex-M4");
    const [x86, popcnt] = [await hostInterpreter(), await hostInterpreterWithPopcnt()];
    const [arm, tuned] = [await boardInterpreter(), await tunedBoardInterpreter()];

    const estimates = new EstimateErrors();
    for (const { name, make } of BINARY_LAYERS) {
      progress(name);
      const layer = compiled(make, progress);
      if (!layer) continue;
      const perMac = (what: string, instructions: number): void =>
        figure(what, instructions / layer.macs, 3, "instructions per MAC");
      const [onArm, onTuned, onX86, onPopcnt] = await countSteps([arm, tuned, x86, popcnt], layer.job);
      const natural = await naturalModule(layer.natural, layer.output, folder);
      const [clangArm, clangX86] = await countSteps([arm, x86], natural);
      estimates.add(name, layer.job, onArm!);
      perMac(`arm.${name}.stock`, onArm![layer.step]!.instructions);
      perMac(`arm.${name}.tuned`, onTuned![layer.step]!.instructions);
      perMac(`arm.${name}.clang`, sumOfSteps(clangArm!));
      perMac(`arm.${name}.native`, await countNative(layer.natural, layer.output, boardProgram, folder));
      perMac(`x86.${name}`, onX86![layer.step]!.instructions);
      perMac(`x86.${name}.popcnt`, onPopcnt![layer.step]!.instructions);
      perMac(`x86.${name}.clang`, sumOfSteps(clangX86!));
      perMac(`x86.${name}.native`, await countNative(layer.natural, layer.output, hostProgram, folder));
    }
    for (const { name, make } of OTHER_LAYERS) {
      progress(name);
      const layer = compiled(make, progress);
      if (!layer) continue;
      const [ours] = await countSteps([arm], layer.job);
      estimates.add(name, layer.job, ours!);
      const [clang] = await countSteps([arm], await naturalModule(layer.natural, layer.output, folder));
      const [own, natural] = [ours![layer.step]!.instructions, sumOfSteps(clang!)];
      figure(`arm.${name}.stock`, own / layer.macs, 3, "instructions per MAC");
      figure(`arm.${name}.clang`, natural / layer.macs, 3, "instructions per MAC");
      figure(`${name}.vs_clang`, natural / own, 2, "times");
      const { BITS } = layer.natural.defines;
      if (BITS === undefined) continue;
      // The same in C by somebody who knows of bit planes.
      const planes = { ...layer.natural, source: "plane-conv.c" };
      const [clangPlanes] = await countSteps([arm], await naturalModule(planes, layer.output, folder));
      figure(`arm.${name}.clang_planes`, sumOfSteps(clangPlanes!) / layer.macs, 3, "instructions per MAC");
      figure(`${name}.vs_clang_planes`, sumOfSteps(clangPlanes!) / own, 2, "times");
    }
    progress("ResNet-32, 20 layers on the edge");
    await networkFigures(figure, { arm, tuned, estimates }, folder);
    const { name, error } = estimates.worst;
    progress(`the worst estimate is that of ${name}`);
    figure("estimate.instructions.error", 100 * error, 1, "%");
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The layer, or undefined and the reason where there is no kernel for it. */
function compiled(make: () => MeasuredLayer, progress: FigureOptions["progress"]): MeasuredLayer | undefined {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof HedgeError)) throw error;
    progress(error.message);
    return undefined;
  }
}
