/** What a bundle costs: its layers, and the totals of RAM and flash. */
import type { Bundle } from "../bundle/bundle.ts";
import { isHybrid, type LayerRow } from "../bundle/manifest.ts";
import { openEngine } from "../engine/open.ts";

export interface Inspection {
  readonly name: string;
  readonly digest: string;
  readonly layers: readonly LayerRow[];
  /** Sums over the layers. */
  readonly macs: number;
  readonly binaryMacs: number;
  readonly ram: {
    readonly linear: number;
    readonly stack: number;
    /** wasm3's compiled code, measured on this host; about half of it where pointers have 32 bits. */
    readonly metacode: number;
    readonly total: number;
  };
  readonly flash: { readonly module: number; readonly weights: number; readonly total: number };
  /** Hybrid models: bytes that an offloaded sample sends, and of the cloud part. */
  readonly offload?: { readonly payload: number; readonly cloud: number };
  /** Edge-only models: the shape of what they answer, and whether it names a label. */
  readonly output?: { readonly shape: readonly number[]; readonly labels: boolean };
}

export function inspectBundle(bundle: Bundle): Inspection {
  const { manifest, digest, edgeWasm, weights, cloudOnnx } = bundle;
  const engine = openEngine(bundle, "wasm3");
  const { linear, stack = 0, metacode = 0 } = engine.memory;
  engine.close();
  const sum = (rows: readonly LayerRow[]): number => rows.reduce((total, row) => total + row.macs, 0);
  return {
    name: manifest.name,
    digest,
    layers: manifest.layers,
    macs: sum(manifest.layers),
    binaryMacs: sum(manifest.layers.filter((row) => row.weightBits === 1)),
    ram: { linear, stack, metacode, total: linear + stack + metacode },
    flash: { module: edgeWasm.length, weights: weights.length, total: edgeWasm.length + weights.length },
    ...(isHybrid(manifest)
      ? { offload: { payload: manifest.payload.bytes, cloud: cloudOnnx!.length } }
      : { output: { shape: manifest.output!.shape, labels: manifest.output!.labels } }),
  };
}
