/** What a model costs on a device: layer by layer and in total. Nothing is run on wasm3; see src/explore/cost. */
import type { Bundle } from "../../bundle/bundle.ts";
import type { LayerRow } from "../../bundle/manifest.ts";
import type { Plan } from "../../plan/plan.ts";
import { MCU_BUILD } from "../../wasm3/code-pages.ts";
import { callsHostKernels, estimateSteps, type Instructions, moduleCode, onEach } from "../cost/estimate.ts";
import { type Wasm3Heap, wasm3Heap } from "../cost/heap.ts";
import { energyPicojoules } from "./energy.ts";

/** Multiply-accumulates by what they multiply: both sides one bit, up to seven bits, more. */
export interface MacsByKind {
  readonly binary: number;
  readonly lowBit: number;
  readonly byte: number;
}

export interface LayerAnalysis {
  readonly name: string;
  readonly kind: string;
  /** Layers that share a step are paid for by its first. */
  readonly step: number;
  readonly macs: MacsByKind;
  /** Linear memory in use while it runs; undefined where the plan is not known (of a bundle). */
  readonly ramBytes: number | undefined;
  /** Its weights, in flash. */
  readonly flashBytes: number;
  /** Code that wasm3 makes of its function, in RAM; a function that several layers share counts with the first. */
  readonly metacodeBytes: number;
  /** Of its step; undefined where native kernels compute, whose cost is not estimated. */
  readonly instructions: Instructions | undefined;
  readonly energyPicojoules: number;
}

export interface Analysis {
  readonly name: string;
  readonly digest: string;
  readonly layers: readonly LayerAnalysis[];
  readonly macs: MacsByKind;
  /** What wasm3 takes of a 32-bit device's heap. */
  readonly ram: Wasm3Heap;
  /** Of wasm3's value stack, what the module truly needs. */
  readonly stackBytes: number;
  readonly flash: { readonly module: number; readonly weights: number; readonly total: number };
  readonly instructions: Instructions | undefined;
  readonly energyPicojoules: number;
}

const NO_MACS: MacsByKind = { binary: 0, lowBit: 0, byte: 0 };
const NO_INSTRUCTIONS = onEach(() => 0);

/** @param plan of the bundle, where it was compiled just now: then the memory of each layer is known */
export function analyzeBundle(bundle: Bundle, plan?: Plan): Analysis {
  const { manifest, digest, edgeWasm, weights } = bundle;
  const compiled = moduleCode(edgeWasm, manifest.name);
  const { code, metacode } = compiled;
  const native = callsHostKernels(code);
  const job = { edgeWasm, weights, sample: noise(manifest.module.inputBytes), module: manifest.module };
  const steps = native ? [] : estimateSteps(job, compiled, manifest.name);
  const charged = new Set<number>();
  let step = -1;
  const layers = manifest.layers.map((row, index): LayerAnalysis => {
    step += row.steps;
    const estimate = row.steps > 0 ? steps[step] : undefined;
    const fresh = estimate?.functions.filter((f) => !charged.has(f)) ?? [];
    for (const f of fresh) charged.add(f);
    return {
      name: row.name,
      kind: row.kind,
      step: Math.max(step, 0),
      macs: macsOf(row),
      ramBytes: plan && memoryInUse(plan, index),
      flashBytes: row.weightBytes,
      metacodeBytes: fresh.reduce((sum, f) => sum + metacode.functionWords[f]!, 0) * MCU_BUILD.wordBytes,
      instructions: native ? undefined : (estimate?.instructions ?? NO_INSTRUCTIONS),
      energyPicojoules: energyPicojoules(row),
    };
  });
  const flash = { module: edgeWasm.length, weights: weights.length };
  return {
    name: manifest.name,
    digest,
    layers,
    macs: layers.map((layer) => layer.macs).reduce(addMacs, NO_MACS),
    ram: wasm3Heap(code, metacode, MCU_BUILD, manifest.module),
    stackBytes: metacode.stackBytes,
    flash: { ...flash, total: flash.module + flash.weights },
    instructions: native ? undefined : steps.map((each) => each.instructions).reduce(addInstructions, NO_INSTRUCTIONS),
    energyPicojoules: layers.reduce((sum, layer) => sum + layer.energyPicojoules, 0),
  };
}

/** A sample: branches that depend on data, few as they are, go either way. */
function noise(length: number): Int8Array {
  return Int8Array.from({ length }, (_, i) => (Math.imul(i, 2654435761) >>> 24) - 128);
}

/** The buffers that live while a layer runs. */
function memoryInUse({ buffers }: Plan, layer: number): number {
  const live = buffers.filter(({ firstStep, lastStep }) => firstStep <= layer && layer <= lastStep);
  return live.reduce((sum, { bytes }) => sum + bytes, 0);
}

function macsOf({ macs, weightBits, activationBits }: LayerRow): MacsByKind {
  const bits = Math.max(weightBits, activationBits);
  if (bits <= 1) return { ...NO_MACS, binary: macs };
  return bits < 8 ? { ...NO_MACS, lowBit: macs } : { ...NO_MACS, byte: macs };
}

function addMacs(a: MacsByKind, b: MacsByKind): MacsByKind {
  return { binary: a.binary + b.binary, lowBit: a.lowBit + b.lowBit, byte: a.byte + b.byte };
}

function addInstructions(a: Instructions, b: Instructions): Instructions {
  return onEach((machine) => a[machine] + b[machine]);
}
