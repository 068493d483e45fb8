/** What a bundle costs: its layers, and the totals of RAM and flash. */
import type { Bundle } from "../bundle/bundle.ts";
import { isHybrid, type LayerRow } from "../bundle/manifest.ts";
import { MCU_BUILD } from "../wasm3/code-pages.ts";
import { moduleCode } from "./cost/estimate.ts";
import { type Wasm3Heap, wasm3Heap } from "./cost/heap.ts";

export interface Inspection {
  readonly name: string;
  readonly digest: string;
  readonly layers: readonly LayerRow[];
  /** Sums over the layers. */
  readonly macs: number;
  readonly binaryMacs: number;
  /** What wasm3 takes of the heap of a 32-bit device with the limits that firmware sets. */
  readonly ram: Wasm3Heap;
  readonly flash: { readonly module: number; readonly weights: number; readonly total: number };
  /** Hybrid models: bytes that an offloaded sample sends, and of the cloud part. */
  readonly offload?: { readonly payload: number; readonly cloud: number };
  /** Edge-only models: the shape of what they answer, and whether it names a label. */
  readonly output?: { readonly shape: readonly number[]; readonly labels: boolean };
}

export function inspectBundle(bundle: Bundle): Inspection {
  const { manifest, digest, edgeWasm, weights, cloudOnnx } = bundle;
  const { code, metacode } = moduleCode(edgeWasm, manifest.name);
  const sum = (rows: readonly LayerRow[]): number => rows.reduce((total, row) => total + row.macs, 0);
  return {
    name: manifest.name,
    digest,
    layers: manifest.layers,
    macs: sum(manifest.layers),
    binaryMacs: sum(manifest.layers.filter((row) => row.weightBits === 1)),
    ram: wasm3Heap(code, metacode, MCU_BUILD, manifest.module),
    flash: { module: edgeWasm.length, weights: weights.length, total: edgeWasm.length + weights.length },
    ...(isHybrid(manifest)
      ? { offload: { payload: manifest.payload.bytes, cloud: cloudOnnx!.length } }
      : { output: { shape: manifest.output!.shape, labels: manifest.output!.labels } }),
  };
}
