/** wasm3 as firmware builds it computes what V8 does: every integer operation on every shape of operands, calls, tables, loops, globals and traps. */
import binaryen from "binaryen";
import { beforeAll, describe, expect, test } from "vitest";
import { CONVENTIONS } from "../../../test/support/conventions.ts";
import { HedgeError } from "../../errors.ts";
import { type Machine, tunedBoardInterpreter } from "../codegen/machines.ts";
import type { RunnerJob } from "../wasm3-runner.ts";

const { i32, i64, none } = binaryen;
const MEMORY = 2048;
const ROW = 1536;
const OUT = 1024;
/** Operands: 64 bits each, in the sample. */
const VALUES = [0n, 1n, 2n, 31n, 32n, 63n, 64n, -1n, -2n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 63n, 2n ** 63n - 1n];
const PATTERNS = [0x0123_4567_89ab_cdefn, 0x5555_aaaa_0f0f_f0f0n, 0x8000_0000_0000_0001n, 0x7fff_ffff_8000_0000n];
const OPERANDS = BigInt64Array.from([...VALUES, ...PATTERNS], (value) => BigInt.asIntN(64, value));

const BINARY = ["add", "sub", "mul", "and", "or", "xor", "shl", "shr_s", "shr_u", "rotl", "rotr"] as const;
const COMPARING = ["eq", "ne", "lt_s", "lt_u", "gt_s", "gt_u", "le_s", "le_u", "ge_s", "ge_u"] as const;
const DIVIDING = ["div_s", "div_u", "rem_s", "rem_u"] as const;
const UNARY = ["clz", "ctz", "popcnt", "extend8_s", "extend16_s"] as const;

type Module = InstanceType<typeof binaryen.Module>;
type Expression = number;
type Build = (module: Module) => Expression;

/** Operations on the parameters a and b of a function, both of 64 bits; the result has 64, too. */
const OPERATIONS: readonly Build[] = [
  ...[...BINARY, ...COMPARING, ...DIVIDING].flatMap((name) => shapesOf(name)),
  ...UNARY.flatMap((name) => [
    (m: Module) => m.i64[name](a(m)),
    (m: Module) => m.i64[name](m.i64.xor(a(m), b(m))),
    (m: Module) => m.i64.extend_u(m.i32[name](low(m, a(m)))),
  ]),
  (m) => m.i64.extend32_s(a(m)),
  (m) => m.i64.extend_s(m.i32.wrap(a(m))),
  (m) => m.i64.extend_u(m.i64.eqz(a(m))),
  (m) => m.i64.extend_u(m.i32.eqz(low(m, a(m)))),
  (m) => m.select(m.i64.lt_s(a(m), b(m)), a(m), m.i64.add(b(m), a(m))),
  (m) => m.select(m.i32.wrap(a(m)), m.i64.const(5n), b(m)),
  (m) => m.i64.extend_u(m.select(m.i64.eqz(a(m)), low(m, a(m)), m.i32.add(low(m, b(m)), m.i32.const(7)))),
];

const a = (m: Module): Expression => m.local.get(0, i64);
const b = (m: Module): Expression => m.local.get(1, i64);
const low = (m: Module, value: Expression): Expression => m.i32.wrap(value);

/** An operation with its operands in slots, the left in the register, the right in the register, or a constant; in 64 and in 32 bits. */
function shapesOf(name: (typeof BINARY | typeof COMPARING | typeof DIVIDING)[number]): Build[] {
  const divides = (DIVIDING as readonly string[]).includes(name);
  const compares = (COMPARING as readonly string[]).includes(name);
  // A divisor is neither 0 nor -1.
  const wide = (m: Module, value: Expression): Expression =>
    divides ? m.i64.or(m.i64.and(value, m.i64.const(0xff_ffffn)), m.i64.const(3n)) : value;
  const narrow = (m: Module, value: Expression): Expression =>
    divides ? m.i32.or(m.i32.and(value, m.i32.const(0xffff)), m.i32.const(3)) : value;
  const mixed = (m: Module, value: Expression): Expression => m.i64.xor(value, m.i64.const(0x1234_5678n));
  const in64 = (m: Module, left: Expression, right: Expression): Expression => {
    const result = m.i64[name](left, right);
    return compares ? m.i64.extend_u(result) : result;
  };
  const in32 = (m: Module, left: Expression, right: Expression): Expression => m.i64.extend_u(m.i32[name](left, right));
  return [
    (m) => in64(m, a(m), wide(m, b(m))),
    (m) => in64(m, mixed(m, a(m)), wide(m, b(m))),
    (m) => in64(m, a(m), wide(m, mixed(m, b(m)))),
    (m) => in64(m, a(m), m.i64.const(77n)),
    (m) => in32(m, low(m, a(m)), narrow(m, low(m, b(m)))),
    (m) => in32(m, low(m, mixed(m, a(m))), narrow(m, low(m, b(m)))),
    (m) => in32(m, m.i32.const(-1_000_000), narrow(m, low(m, b(m)))),
  ];
}

/** A module whose step runs one operation, through a table, on all pairs of operands; it returns 1 behind the last. */
function operationsModule(): Uint8Array {
  const m = new binaryen.Module();
  m.setFeatures(binaryen.Features.SignExt);
  m.setMemory(1, 1, "memory");
  m.addGlobal("sum", i64, true, m.i64.const(0n));
  const names = OPERATIONS.map((build, i) => {
    m.addFunction(`operation${i}`, binaryen.createType([i64, i64]), i64, [], build(m));
    return `operation${i}`;
  });
  m.addTable("table", names.length, names.length);
  m.addActiveElementSegment("table", "operations", names, m.i32.const(0));
  const [step, i, j, result] = [0, 1, 2, 3];
  const load = (index: number): Expression => m.i64.load(0, 8, m.local.get(index, i32));
  const type = binaryen.createType([i64, i64]);
  const inner = m.block(null, [
    m.local.set(result, m.call_indirect("table", m.local.get(step, i32), [load(i), load(j)], type, i64)),
    m.global.set("sum", m.i64.rotl(m.i64.add(m.global.get("sum", i64), m.local.get(result, i64)), m.i64.const(9n))),
    m.i64.store(OUT, 8, m.local.get(j, i32), m.local.get(result, i64)),
    m.i64.store(OUT + 256, 8, m.local.get(j, i32), m.global.get("sum", i64)),
  ]);
  const step8 = (index: number): Expression =>
    m.local.tee(index, m.i32.add(m.local.get(index, i32), m.i32.const(8)), i32);
  const below = (index: number): Expression => m.i32.lt_u(step8(index), m.i32.const(OPERANDS.byteLength));
  m.addFunction(
    "step",
    i32,
    i32,
    [i32, i32, i64],
    m.block(
      null,
      [
        m.loop(
          "outer",
          m.block(null, [
            m.local.set(j, m.i32.const(0)),
            m.loop("inner", m.block(null, [inner, m.br("inner", below(j))])),
            m.br("outer", below(i)),
          ]),
        ),
        m.i32.eq(m.local.get(step, i32), m.i32.const(names.length - 1)),
      ],
      i32,
    ),
  );
  m.addFunctionExport("step", "step");
  if (!m.validate()) throw new Error("binaryen built an invalid module");
  const wasm = m.emitBinary();
  m.dispose();
  return wasm;
}

/** A module whose only step does what `body` says. */
function trappingModule(body: (m: Module) => Expression): Uint8Array {
  const m = new binaryen.Module();
  m.setMemory(1, 1, "memory");
  m.addFunction("other", none, none, [], m.nop());
  m.addTable("table", 1, 1);
  m.addActiveElementSegment("table", "others", ["other"], m.i32.const(0));
  m.addFunction("step", i32, i32, [], body(m));
  m.addFunctionExport("step", "step");
  const wasm = m.emitBinary();
  m.dispose();
  return wasm;
}

function jobOf(edgeWasm: Uint8Array, steps: number): RunnerJob {
  const module = { memoryBytes: MEMORY, stackBytes: 1024, input: 0, threshold: ROW + 16, result: ROW, steps };
  return { edgeWasm, weights: new Uint8Array(1), sample: new Int8Array(OPERANDS.buffer), module };
}

/** Hashes of V8's memory behind each step, as tools/bench/runner.c makes them. */
function hashesOnV8(wasm: Uint8Array): string[] {
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(new Uint8Array(wasm)), {});
  const memory = new Uint8Array((exports.memory as WebAssembly.Memory).buffer, 0, MEMORY);
  memory.set(new Uint8Array(OPERANDS.buffer));
  return OPERATIONS.map((_, step) => {
    (exports.step as (index: number) => number)(step);
    const hash = memory.reduce((sum, byte) => Math.imul(sum ^ byte, 16777619) >>> 0, 2166136261);
    return hash.toString(16).padStart(8, "0");
  });
}

const zero = (m: Module): Expression => m.i32.and(m.local.get(0, i32), m.i32.const(0));
const TRAPS: readonly (readonly [string, string, (m: Module) => Expression])[] = [
  ["a division by 0", "integer divide by zero", (m) => m.i32.div_s(m.i32.const(1), zero(m))],
  [
    "an overflowing division",
    "integer overflow",
    (m) => m.i32.div_s(m.i32.const(-(2 ** 31)), m.i32.sub(zero(m), m.i32.const(1))),
  ],
  ["unreachable", "unreachable executed", (m) => m.unreachable()],
  [
    "a call of another type",
    "indirect call type mismatch",
    (m) => m.call_indirect("table", zero(m), [zero(m)], i32, i32),
  ],
  [
    "a call beyond the table",
    "undefined element",
    (m) => m.call_indirect("table", m.i32.add(zero(m), m.i32.const(9)), [zero(m)], i32, i32),
  ],
  ["a function that calls itself for ever", "stack overflow", (m) => m.call("step", [m.local.get(0, i32)], i32)],
];

describe.each(CONVENTIONS)("on a Cortex-M4, in %s", (_, levers) => {
  let machine: Machine;
  beforeAll(async () => {
    machine = await tunedBoardInterpreter(levers);
  }, 60_000);

  test("operations leave V8's bytes", { timeout: 60_000 }, async () => {
    const wasm = operationsModule();
    const expected = hashesOnV8(wasm);
    const { steps } = await machine(jobOf(wasm, OPERATIONS.length));
    const found = steps.map(({ memory }) => memory);
    expect(found.findIndex((hash, i) => hash !== expected[i])).toBe(-1);
    expect(found).toHaveLength(OPERATIONS.length);
    expect(new Set(found).size).toBe(OPERATIONS.length);
  });

  test.each(TRAPS)("%s traps", async (_what, message, body) => {
    const failure = await machine(jobOf(trappingModule(body), 1)).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(HedgeError);
    expect((failure as HedgeError).message).toContain(`[trap] ${message}`);
  });
});
