/** wasm3 as firmware builds it: each load and store is checked to the byte, in the operations' own calling convention and in C's. */
import binaryen from "binaryen";
import { beforeAll, describe, expect, test } from "vitest";
import { CONVENTIONS } from "../../../test/support/conventions.ts";
import { HedgeError } from "../../errors.ts";
import { boardInterpreter, type Machine, tunedBoardInterpreter } from "../codegen/machines.ts";
import type { RunnerJob } from "../wasm3-runner.ts";

/** Bytes of linear memory, fewer than the page that modules declare. */
const LIMIT = 1000;
const WIDTHS = [1, 2, 4, 8] as const;

interface Access {
  readonly bytes: (typeof WIDTHS)[number];
  readonly store: boolean;
  readonly address: number;
  readonly offset: number;
}

/** The last that fits, by address, by offset, and with address and offset. */
const fits = (bytes: Access["bytes"]): Pick<Access, "address" | "offset">[] => [
  { address: LIMIT - bytes, offset: 0 },
  { address: 0, offset: LIMIT - bytes },
  { address: 300, offset: LIMIT - bytes - 300 },
];
/** The first that does not, and sums beyond 32 bits that would fit if they wrapped around. */
const misses = (bytes: Access["bytes"]): Pick<Access, "address" | "offset">[] => [
  { address: LIMIT - bytes + 1, offset: 0 },
  { address: 0, offset: LIMIT - bytes + 1 },
  { address: 0xffff_fff0, offset: 0x100 },
  { address: 0xffff_ffff, offset: 0 },
  { address: 0x100, offset: 0xffff_fff0 },
];
const FITTING: readonly Access[] = WIDTHS.flatMap((bytes) =>
  fits(bytes).flatMap((at) => [false, true].map((store) => ({ ...at, bytes, store }))),
);
/** Loads and stores in turn. */
const TRAPPING: readonly Access[] = WIDTHS.flatMap((bytes, w) =>
  misses(bytes).map((at, i) => ({ ...at, bytes, store: (w + i) % 2 === 1 })),
);

/** A module with a step for each access; the address is an argument of a function, so that it is no constant. */
function jobOf(all: readonly Access[]): RunnerJob {
  const module = new binaryen.Module();
  const { i32, i64, none } = binaryen;
  module.setMemory(1, 1, "memory");
  const run = ({ bytes, store, offset }: Access): number => {
    const at = module.local.get(0, i32);
    if (bytes === 8)
      return store
        ? module.i64.store(offset, 1, at, module.i64.const(1n))
        : module.drop(module.i64.load(offset, 1, at));
    if (store) {
      const value = module.i32.const(1);
      if (bytes === 1) return module.i32.store8(offset, 1, at, value);
      return bytes === 2 ? module.i32.store16(offset, 1, at, value) : module.i32.store(offset, 1, at, value);
    }
    const load = { 1: module.i32.load8_u, 2: module.i32.load16_s, 4: module.i32.load }[bytes];
    return module.drop(load(offset, 1, at));
  };
  for (const [i, access] of all.entries()) module.addFunction(`access${i}`, i32, none, [], run(access));
  const calls = all.map(({ address }, i) =>
    module.if(
      module.i32.eq(module.local.get(0, i32), module.i32.const(i)),
      module.call(`access${i}`, [module.i32.const(address | 0)], none),
    ),
  );
  const last = module.i32.eq(module.local.get(0, i32), module.i32.const(all.length - 1));
  module.addFunction("step", i32, i32, [i64], module.block(null, [...calls, last], i32));
  module.addFunctionExport("step", "step");
  const edgeWasm = module.emitBinary();
  module.dispose();
  const addresses = { input: 0, threshold: 8, result: 16 };
  return {
    edgeWasm,
    weights: new Uint8Array(1),
    sample: new Int8Array(8),
    module: { memoryBytes: LIMIT, stackBytes: 512, ...addresses, steps: all.length },
  };
}

describe.each(CONVENTIONS)("on a Cortex-M4, in %s", (_, levers) => {
  let machine: Machine;
  beforeAll(async () => {
    machine = await tunedBoardInterpreter(levers);
  }, 60_000);

  test("what fits is loaded and stored", async () => {
    const job = jobOf(FITTING);
    const stock = await (await boardInterpreter())(job);
    const { steps } = await machine(job);
    expect(steps.map(({ memory }) => memory)).toEqual(stock.steps.map(({ memory }) => memory));
    expect(new Set(steps.map(({ memory }) => memory)).size).toBeGreaterThan(WIDTHS.length);
  });

  test.each(TRAPPING)("traps: %j", async (access) => {
    const failure = await machine(jobOf([access])).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(HedgeError);
    expect((failure as HedgeError).message).toContain("out of bounds memory access");
  });
});
