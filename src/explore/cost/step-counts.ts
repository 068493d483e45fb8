/** What each step of a module runs, counted on V8. */

import type { WasmCode } from "../../wasm3/wasm-code.ts";
import type { RunnerJob } from "../wasm3-runner.ts";
import { BYTES, countedModule } from "./counted-module.ts";

export interface StepCounts {
  /** How often each instruction ran, by function. */
  readonly counts: readonly Float64Array[];
  /** Bytes that memory.copy, memory.fill and load_weights moved. */
  readonly bytesMoved: number;
  /** Calls of load_weights. */
  readonly loads: number;
}

/**
 * Runs a sample, whose exit is not final (the threshold stays 0), through a module that counts.
 * @throws RangeError when the module asks for weights that are not there; what WebAssembly throws when it traps
 */
export function countSteps({ weights, sample, module }: RunnerJob, code: WasmCode): StepCounts[] {
  const { bytes, counters } = countedModule(code);
  let linear = new Uint8Array(0);
  let loads = 0;
  let loaded = 0;
  const load = (to: number, from: number, count: number): void => {
    if (from < 0 || count < 0 || from + count > weights.length)
      throw new RangeError(`it asks for ${count} bytes of weights at ${from} of ${weights.length}`);
    linear.set(weights.subarray(from, from + count), to);
    loads++;
    loaded += count;
  };
  const compiled = new WebAssembly.Module(bytes as Uint8Array<ArrayBuffer>);
  const { exports } = new WebAssembly.Instance(compiled, { hedge: { load_weights: load } });
  linear = new Uint8Array((exports.memory as WebAssembly.Memory).buffer);
  linear.set(new Uint8Array(sample.buffer, sample.byteOffset, sample.length), module.input);
  const read = (name: string): number => (exports[name] as WebAssembly.Global<"i32">).value >>> 0;
  const totals = (): StepCounts => ({
    counts: counters.map((names) => Float64Array.from(names, read)),
    bytesMoved: read(BYTES) + loaded,
    loads,
  });
  const steps: StepCounts[] = [];
  let before = totals();
  for (let index = 0, done = 0; index < module.steps && done === 0; index++) {
    done = (exports.step as (index: number) => number)(index);
    const after = totals();
    steps.push({
      counts: after.counts.map((row, f) => row.map((count, i) => count - before.counts[f]![i]!)),
      bytesMoved: after.bytesMoved - before.bytesMoved,
      loads: after.loads - before.loads,
    });
    before = after;
  }
  return steps;
}
