/** Layers in natural C: to WebAssembly by clang, to programs by gcc. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { tool } from "../../../dist/explore/wasm3-build.js";
import { native } from "./machines.js";

const source = (name) => fileURLToPath(new URL(`natural/${name}`, import.meta.url));
const EXPORTS = ["input", "output", "weights"];
const NO_MODULE = { memoryBytes: 0, stackBytes: 0, input: 0, threshold: 0, result: 0, steps: 1 };
const FLAGS = ["-O3", "-fwrapv", "-Wall", "-Wextra", "-Werror"];

/**
 * The layer on wasm3.
 * @param layer natural: source, defines, weights, sample; output: the bytes that it must compute
 * @param {string} folder for what is built
 * @returns a job for a machine
 * @throws Error when it computes something else
 */
export async function naturalModule({ natural, output }, folder) {
  const file = join(folder, "natural.wasm");
  const link = ["--no-entry", ...EXPORTS.map((name) => `--export=${name}`), "--stack-first", "-z", "stack-size=4096"];
  const target = ["--target=wasm32", "-ffreestanding", "-nostdlib", ...link.flatMap((flag) => ["-Xlinker", flag])];
  const defines = definitions(natural).map((define) => `-D${define}`);
  await tool("clang", [...FLAGS, ...target, ...defines, "-o", file, source(natural.source)], "clang lld");
  const edgeWasm = await readFile(file);
  const { weights, sample } = natural;
  const addresses = runInV8(edgeWasm, natural, output);
  // The runner writes a threshold and reads a row of three words: both lie where the layer overwrites or ignores them.
  const [input, result, threshold] = addresses;
  return {
    edgeWasm,
    weights,
    sample,
    module: { memoryBytes: 65536, stackBytes: 4096, input, threshold, result, steps: 1 },
  };
}

/** Checks what the module computes. @returns where its input, output and parameters lie */
function runInV8(wasm, { weights, sample }, expected) {
  let memory;
  const load_weights = (to, from, bytes) => new Uint8Array(memory.buffer).set(weights.subarray(from, from + bytes), to);
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(wasm), { hedge: { load_weights } });
  memory = exports.memory;
  const addresses = EXPORTS.map((name) => exports[name].value);
  new Int8Array(memory.buffer).set(sample, addresses[0]);
  exports.step(0);
  const output = new Uint8Array(memory.buffer, addresses[1], expected.length);
  if (Buffer.compare(output, expected) !== 0) throw new Error("natural C and the module compute different bytes");
  return addresses;
}

/**
 * The layer as a native program of both machines.
 * @returns instructions by machine
 */
export async function countNative({ natural, output }, folder) {
  const defines = [...definitions(natural), `LAYER="${natural.source}"`];
  const job = { edgeWasm: new Uint8Array(), weights: natural.weights, sample: natural.sample, module: NO_MODULE };
  const counts = {};
  for (const [name, machine] of Object.entries(await native(source("main.c"), defines, folder))) {
    const [step] = (await machine(job)).steps;
    if (step.memory !== fnv1a(output)) throw new Error("the native program and the module compute different bytes");
    counts[name] = step.instructions;
  }
  return counts;
}

const definitions = ({ defines }) => Object.entries(defines).map(([name, value]) => `${name}=${value}`);

/** As in tools/bench/runner.c. */
function fnv1a(bytes) {
  const hash = bytes.reduce((sum, byte) => Math.imul(sum ^ byte, 16777619) >>> 0, 2166136261);
  return hash.toString(16).padStart(8, "0");
}
