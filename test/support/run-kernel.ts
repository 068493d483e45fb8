/** Runs one layer alone: its buffers placed side by side, its kernel in a module of its own; on V8 and on wasm3. */
import { load } from "@aspect/wasm3";
import binaryen from "binaryen";
import { Code, type Expression } from "../../src/emit/code.ts";
import type { EmitContext } from "../../src/emit/emitter.ts";
import type { Draft } from "../../src/plan/draft.ts";
import { placeBuffers } from "../../src/plan/memory.ts";
import type { Region } from "../../src/plan/plan.ts";

const PAGE = 65536;

export interface KernelModule {
  readonly wasm: Uint8Array;
  readonly weights: Uint8Array;
  readonly memoryBytes: number;
  readonly regions: ReadonlyMap<string, Region>;
}

/** @param emit the kernel; the function's parameters and result are empty */
export function emitKernel<L>(
  draft: Pick<Draft, "buffers" | "weights"> & { finish: (region: (name: string) => Region, weights: Slice) => L },
  emit: (code: Code, layer: L, context: EmitContext) => Expression,
): KernelModule {
  const buffers = draft.buffers.map((buffer) => ({ ...buffer, firstStep: 0, lastStep: 0 }));
  const { addresses, bytes } = placeBuffers(buffers);
  const regions = new Map(buffers.map(({ name, bytes }) => [name, { address: addresses.get(name)!, bytes }]));
  const layer = draft.finish((name) => regions.get(name)!, { offset: 0, bytes: draft.weights.length });
  const module = new binaryen.Module();
  try {
    module.setFeatures(binaryen.Features.MVP | binaryen.Features.BulkMemory | binaryen.Features.BulkMemoryOpt);
    const pages = Math.ceil(bytes / PAGE);
    module.setMemory(pages, pages, "memory");
    const { none, i32, i64 } = binaryen;
    module.addFunctionImport("load_weights", "hedge", "load_weights", binaryen.createType([i32, i32, i32]), none);
    const code = new Code(module, { none, i32, i64 });
    const body = emit(code, layer, {
      loadWeights: (to, from, count) => module.call("load_weights", [to, from, count], none),
      weightsAt: () => code.i32(0),
      native: () => module.unreachable(),
      threshold: 0,
    });
    checkLocals(code.localTypes.map((type) => (type === i64 ? 2 : 1)));
    module.addFunction("run", none, none, [...code.localTypes], body);
    module.addFunctionExport("run", "run");
    if (!module.validate()) throw new Error("binaryen rejects the kernel");
    return { wasm: module.emitBinary(), weights: draft.weights, memoryBytes: pages * PAGE, regions };
  } finally {
    module.dispose();
  }
}

/**
 * A function on a microcontroller's wasm3 has room for 128 locals and operands, in 256 slots of 32 bits. Of these constants take up to 120,
 * as wasm3 reserves two for every byte of code that looks like one; the deepest expression of a kernel takes a few.
 * @param slots of each local
 */
function checkLocals(slots: readonly number[]): void {
  const taken = slots.reduce((sum, n) => sum + n, 0);
  if (slots.length > 118 || taken > 132) throw new Error(`${slots.length} locals in ${taken} slots`);
}

type Slice = { readonly offset: number; readonly bytes: number };

/**
 * @param inputs bytes by buffer
 * @returns the bytes of a buffer afterwards
 */
export function runKernel(
  kernel: KernelModule,
  engine: "v8" | "wasm3",
  inputs: ReadonlyMap<string, Uint8Array>,
  output: string,
): Uint8Array {
  const { address, bytes } = kernel.regions.get(output)!;
  const memory = new Uint8Array(kernel.memoryBytes).fill(0xa5);
  for (const [name, data] of inputs) memory.set(data, kernel.regions.get(name)!.address);
  if (engine === "v8") {
    let own: Uint8Array;
    const load_weights = (to: number, from: number, count: number): void =>
      own.set(kernel.weights.subarray(from, from + count), to);
    const instance = new WebAssembly.Instance(new WebAssembly.Module(kernel.wasm as Uint8Array<ArrayBuffer>), {
      hedge: { load_weights },
    });
    own = new Uint8Array((instance.exports.memory as WebAssembly.Memory).buffer);
    own.set(memory);
    (instance.exports.run as () => void)();
    return own.slice(address, address + bytes);
  }
  const load_weights = (to: number, from: number, count: number): void =>
    instance.memory.write(to, kernel.weights.subarray(from, from + count));
  const instance = load(kernel.wasm, {
    memoryLimit: kernel.memoryBytes,
    stackBytes: 8192,
    imports: { hedge: { load_weights } },
  });
  try {
    instance.memory.write(0, memory);
    instance.function("run")();
    return instance.memory.read(address, bytes);
  } finally {
    instance.free();
  }
}
