/** A layer in natural C: as a module for wasm3 by clang, as a native program by gcc. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { HedgeError } from "../../errors.ts";
import { tool } from "../wasm3-build.ts";
import type { RunnerJob } from "../wasm3-runner.ts";
import { sourceFile } from "./files.ts";
import type { ProgramBuilder } from "./machines.ts";
import { runBehindStep } from "./run-module.ts";

export interface NaturalLayer {
  /** In tools/bench/codegen/natural. */
  readonly source: string;
  readonly defines: Readonly<Record<string, number>>;
  /** The bytes of the source's `weights`. */
  readonly weights: Uint8Array;
  /** Those of its `input`. */
  readonly sample: Int8Array;
}

const FLAGS = ["-O3", "-fwrapv", "-Wall", "-Wextra", "-Werror", "--target=wasm32", "-ffreestanding", "-nostdlib"];
const EXPORTS = ["input", "output", "weights"];
const STACK_BYTES = 4096;
const PAGE_BYTES = 65536;

const definitions = ({ defines }: NaturalLayer): string[] =>
  Object.entries(defines).map(([name, value]) => `${name}=${value}`);

/**
 * @param expected the bytes that the layer must compute
 * @param folder for what is built
 * @returns the layer as a module with the interface of edge.wasm, for a machine with wasm3
 * @throws HedgeError: usage without clang, internal when it computes something else
 */
export async function naturalModule(layer: NaturalLayer, expected: Uint8Array, folder: string): Promise<RunnerJob> {
  const file = join(folder, "natural.wasm");
  const link = ["--no-entry", "--stack-first", "-z", `stack-size=${STACK_BYTES}`];
  const args = [
    ...FLAGS,
    ...definitions(layer).map((define) => `-D${define}`),
    ...[...link, ...EXPORTS.map((name) => `--export=${name}`)].flatMap((flag) => ["-Xlinker", flag]),
    ...["-o", file, naturalSource(layer)],
  ];
  await tool("clang", args, "clang lld");
  const edgeWasm = new Uint8Array(await readFile(file));
  const [input, result, threshold] = addressesOf(edgeWasm);
  const { weights, sample } = layer;
  // The runner writes a threshold and reads a row of three words: both lie where the layer overwrites or ignores them.
  const memory = { memoryBytes: PAGE_BYTES, stackBytes: STACK_BYTES };
  const job = {
    edgeWasm,
    weights,
    sample,
    module: { ...memory, input: input!, threshold: threshold!, result: result!, steps: 1 },
  };
  const output = runBehindStep(job, 0, { address: result!, bytes: expected.length });
  if (Buffer.compare(output, expected) !== 0) throw differs("on V8");
  return job;
}

function addressesOf(wasm: Uint8Array<ArrayBuffer>): number[] {
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(wasm), {
    hedge: { load_weights: () => undefined },
  });
  return EXPORTS.map((name) => (exports[name] as WebAssembly.Global).value);
}

/**
 * Counts the layer as a native program.
 * @param build hostProgram or boardProgram
 * @returns instructions
 * @throws HedgeError: internal when it computes something else than `expected`
 */
export async function countNative(
  layer: NaturalLayer,
  expected: Uint8Array,
  build: ProgramBuilder,
  folder: string,
): Promise<number> {
  const defines = [...definitions(layer), `LAYER="${layer.source}"`];
  const machine = await build({ source: sourceFile("natural/main.c"), defines }, folder);
  const { steps } = await machine(withoutModule(layer));
  if (steps[0]!.memory !== fnv1a(expected)) throw differs("natively");
  return steps[0]!.instructions;
}

/** A job for a program in C. */
export function withoutModule({ weights, sample }: Pick<RunnerJob, "weights" | "sample">): RunnerJob {
  const module = { memoryBytes: 0, stackBytes: 0, input: 0, threshold: 0, result: 0, steps: 1 };
  return { edgeWasm: new Uint8Array(0), weights, sample, module };
}

const naturalSource = ({ source }: NaturalLayer): string => sourceFile(join("natural", source));

/** The hash of tools/bench/runner.c. */
function fnv1a(bytes: Uint8Array): string {
  const hash = bytes.reduce((sum, byte) => Math.imul(sum ^ byte, 16777619) >>> 0, 2166136261);
  return hash.toString(16).padStart(8, "0");
}

function differs(where: string): HedgeError {
  return new HedgeError(
    "internal",
    `The layer in C computes other bytes than the module, ${where}.`,
    "One of tools/bench/codegen/natural and the kernels of the compiler is wrong.",
  );
}
