/**
 * The fast engine: the WebAssembly of Node itself. Unlike wasm3 it always holds the whole declared page.
 */
import type { Bundle } from "../bundle/bundle.ts";
import { type EdgeModule, weightLoader } from "./edge-engine.ts";

/** Instances of one bundle share the compiled module. */
const compiled = new WeakMap<Uint8Array, WebAssembly.Module>();

function compileOnce(edgeWasm: Uint8Array): WebAssembly.Module {
  let module = compiled.get(edgeWasm);
  if (!module) {
    module = new WebAssembly.Module(Uint8Array.from(edgeWasm));
    compiled.set(edgeWasm, module);
  }
  return module;
}

export function openV8(bundle: Bundle): EdgeModule {
  const instance = new WebAssembly.Instance(compileOnce(bundle.edgeWasm), {
    hedge: { load_weights: weightLoader(bundle, (at, bytes) => linear.set(bytes, at)) },
  });
  const memory = instance.exports.memory as WebAssembly.Memory;
  // Modules never grow their memory (the wasm3 engine would not let them), so the view stays attached.
  const linear = new Uint8Array(memory.buffer);
  return {
    memory: { linear: linear.length },
    step: instance.exports.step as (index: number) => number,
    readInto: (at, target) => target.set(linear.subarray(at, at + target.length)),
    write: (at, bytes) => linear.set(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length), at),
    free: () => {},
  };
}
