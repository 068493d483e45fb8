/** Runs a module on V8 up to a step. */
import type { Region } from "../../plan/plan.ts";
import type { RunnerJob } from "../wasm3-runner.ts";

/** @returns the bytes of a region behind the step */
export function runBehindStep(
  { edgeWasm, weights, sample, module }: RunnerJob,
  lastStep: number,
  region: Region,
): Uint8Array {
  let memory: WebAssembly.Memory;
  const load_weights = (to: number, from: number, bytes: number): void =>
    new Uint8Array(memory.buffer).set(weights.subarray(from, from + bytes), to);
  const compiled = new WebAssembly.Module(new Uint8Array(edgeWasm));
  const { exports } = new WebAssembly.Instance(compiled, { hedge: { load_weights } });
  memory = exports.memory as WebAssembly.Memory;
  new Int8Array(memory.buffer).set(sample, module.input);
  for (let step = 0; step <= lastStep; step++) (exports.step as (index: number) => number)(step);
  return new Uint8Array(memory.buffer, region.address, region.bytes).slice();
}
