/** Runs a compiled module step by step and looks at the memory after each: on V8 and on wasm3. */
import { load } from "@aspect/wasm3";
import type { Compilation } from "../../src/bundle/compile.ts";
import type { Layer, Plan, Region } from "../../src/plan/plan.ts";

interface BareModule {
  readonly step: (index: number) => number;
  readonly read: (region: Region) => Uint8Array;
  readonly write: (address: number, bytes: Uint8Array) => void;
  readonly close: () => void;
}

/** A module with what a host has to know of it. */
export interface RawModule {
  readonly edgeWasm: Uint8Array;
  readonly plan: Pick<Plan, "weights">;
  readonly memoryBytes: number;
  readonly stackBytes: number;
}

export const OPENERS: Readonly<Record<"v8" | "wasm3", (module: RawModule) => BareModule>> = {
  v8({ edgeWasm, plan }) {
    let memory: WebAssembly.Memory;
    const load_weights = (to: number, from: number, bytes: number): void =>
      new Uint8Array(memory.buffer).set(plan.weights.subarray(from, from + bytes), to);
    const module = new WebAssembly.Module(new Uint8Array(edgeWasm));
    const instance = new WebAssembly.Instance(module, { hedge: { load_weights } });
    memory = instance.exports.memory as WebAssembly.Memory;
    return {
      step: instance.exports.step as (index: number) => number,
      read: ({ address, bytes }) => new Uint8Array(memory.buffer, address, bytes).slice(),
      write: (address, bytes) => new Uint8Array(memory.buffer).set(bytes, address),
      close: () => undefined,
    };
  },
  wasm3({ edgeWasm, plan, memoryBytes, stackBytes }) {
    const load_weights = (to: number, from: number, bytes: number): void =>
      instance.memory.write(to, plan.weights.subarray(from, from + bytes));
    const instance = load(edgeWasm, {
      memoryLimit: memoryBytes,
      stackBytes,
      imports: { hedge: { load_weights } },
    });
    const step = instance.function("step");
    return {
      step: (index) => step(index) as number,
      read: ({ address, bytes }) => instance.memory.read(address, bytes),
      write: (address, bytes) => instance.memory.write(address, bytes),
      close: () => instance.free(),
    };
  },
};

/**
 * Offloads one sample (threshold 0).
 * @returns the bytes of every layer's output, by layer name, as they were after the layer's step
 */
export function runSteps(compilation: Compilation, engine: "v8" | "wasm3", image: Int8Array): Map<string, Uint8Array> {
  const { plan, bundle } = compilation;
  const { memoryBytes, stackBytes } = bundle.manifest.module;
  const module = OPENERS[engine]({ edgeWasm: bundle.edgeWasm, plan, memoryBytes, stackBytes });
  const outputs = new Map<string, Uint8Array>();
  // Whatever lay in memory before must not matter.
  module.write(0, new Uint8Array(plan.memoryBytes).fill(0xa5));
  module.write(plan.threshold, new Uint8Array(4));
  module.write(plan.input.address, new Uint8Array(image.buffer, image.byteOffset, image.length));
  for (const [index, layers] of plan.steps.entries()) {
    const done = module.step(index);
    if ((done === 1) !== (index === plan.steps.length - 1)) throw new Error(`step ${index} returned ${done}`);
    for (const layer of layers)
      outputs.set(layer.name, module.read({ address: layer.output.address, bytes: outputBytes(layer) }));
  }
  outputs.set("payload", module.read(plan.payload!));
  module.close();
  return outputs;
}

function outputBytes(layer: Layer): number {
  if (isPacked(layer)) return layer.output.bytes;
  const elements = layer.outputShape.reduce((a, b) => a * b);
  return layer.kind === "dense-exit" ? 12 + 4 * elements : elements;
}

/** Whether a layer's output is a payload's packed levels. */
export function isPacked(layer: Layer): boolean {
  return layer.kind === "payload" || (layer.kind === "native" && layer.kernel === "pack_levels");
}
