/**
 * The engine that a device has: wasm3, with the memory limit and the value stack of the manifest.
 */
import { load, type Wasm3Module } from "@aspect/wasm3";
import type { Bundle } from "../bundle/bundle.ts";
import { type EdgeModule, weightLoader } from "./edge-engine.ts";

export function openWasm3(bundle: Bundle, checked: Wasm3Module, images: number): EdgeModule {
  const { memoryBytes, stackBytes } = bundle.manifest.module;
  const instance = load(checked, {
    memoryLimit: memoryBytes,
    stackBytes,
    images,
    imports: { hedge: { load_weights: weightLoader(bundle, (at, bytes) => instance.memory.write(at, bytes)) } },
  });
  const { memory } = instance;
  return {
    memory: { linear: memory.byteLength, metacode: instance.metacodeBytes, stack: stackBytes },
    step: instance.function<(index: number) => number>("step"),
    readInto: (at, target) => memory.readInto(at, target),
    write: (at, bytes) => memory.write(at, bytes),
    useImage: (image) => instance.useImage(image),
    resetImage: (image) => instance.resetImage(image),
    get imageBytes() {
      return instance.imageBytes;
    },
    free: () => instance.free(),
  };
}
