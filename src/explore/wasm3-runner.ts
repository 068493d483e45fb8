/** Runs a module in a program that buildRunner made: what to pass to it, and what it prints. */
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Manifest } from "../bundle/manifest.ts";
import { thresholdWord } from "../engine/edge-engine.ts";
import { HedgeError } from "../errors.ts";
import { tool } from "./wasm3-build.ts";

/** A module with the interface of edge.wasm, and a sample that is not final at its exit. */
export interface RunnerJob {
  readonly edgeWasm: Uint8Array;
  readonly weights: Uint8Array;
  readonly sample: Int8Array;
  readonly module: Pick<Manifest["module"], "memoryBytes" | "stackBytes" | "input" | "threshold" | "result" | "steps">;
}

export interface StepCost {
  readonly step: number;
  /** Machine instructions, among them the copy of the step's weights. */
  readonly instructions: number;
  /** Hash of the linear memory behind the step. */
  readonly memory: string;
}

export interface RunnerReport {
  readonly steps: readonly StepCost[];
  /** Label, exited, entropy: to compare with an engine's. */
  readonly result: readonly [number, number, number];
  /** Compiled code in bytes, in words of the machine's size. */
  readonly metacodeBytes: number;
  /** Whatever wasm3 allocates, at most at one time: linear memory, value stack, code pages, its own structures. */
  readonly heapBytes: number;
}

/**
 * @param start runs the program in the folder with the arguments, and returns what it printed
 * @throws HedgeError when the output is not a runner's
 */
export async function runJob(
  job: RunnerJob,
  start: (folder: string, args: readonly string[]) => Promise<string>,
): Promise<RunnerReport> {
  const folder = await mkdtemp(join(tmpdir(), "hedge-cost-"));
  try {
    const files = { "edge.wasm": job.edgeWasm, "weights.bin": job.weights, "sample.bin": job.sample };
    for (const [name, bytes] of Object.entries(files)) await writeFile(join(folder, name), bytes);
    const { memoryBytes, stackBytes, input, threshold, result, steps } = job.module;
    const numbers = [memoryBytes, stackBytes, input, threshold, result, thresholdWord(0), steps, 1];
    return parseReport(await start(folder, [...Object.keys(files), ...numbers.map(String)]));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Counts on this host, by callgrind. */
export function runUnderCallgrind(program: string, job: RunnerJob): Promise<RunnerReport> {
  return runJob(job, async (folder, args) => {
    const valgrind = ["--tool=callgrind", "--callgrind-out-file=callgrind", program, ...args];
    const output = await tool("valgrind", valgrind, "valgrind", folder);
    const counts = await readDumps(folder);
    return output.replace(/^(step (\d+) -?\d+) 0 /gm, (_, start, step) => `${start} ${counts.get(Number(step)) ?? 0} `);
  });
}

/** Instructions by step, from callgrind's dumps. */
async function readDumps(folder: string): Promise<Map<number, number>> {
  const counts = new Map<number, number>();
  for (const name of await readdir(folder)) {
    if (!name.startsWith("callgrind.")) continue;
    const text = await readFile(join(folder, name), "utf8");
    const step = /^desc: Trigger: Client Request: round 0 step (\d+)$/m.exec(text)?.[1];
    const total = /^totals: (\d+)$/m.exec(text)?.[1];
    if (step && total) counts.set(Number(step), Number(total));
  }
  return counts;
}

function parseReport(output: string): RunnerReport {
  const steps = [...output.matchAll(/^step (\d+) -?\d+ (\d+) ([0-9a-f]{8})$/gm)].map(
    ([, step, instructions, memory]): StepCost => ({
      step: Number(step),
      instructions: Number(instructions),
      memory: memory!,
    }),
  );
  const result = /^result (-?\d+) (-?\d+) (-?\d+)$/m.exec(output);
  const metacode = /^metacode (\d+)/m.exec(output);
  const heap = /^heap (\d+)$/m.exec(output);
  if (!result || !metacode || !heap || steps.length === 0 || steps.some(({ instructions }) => instructions === 0)) {
    throw new HedgeError(
      "internal",
      "The wasm3 runner printed no count of instructions.",
      "Install valgrind with its headers and build the runner again (rm -r tools/bench/build).",
    );
  }
  return {
    steps,
    result: [Number(result[1]), Number(result[2]), Number(result[3])],
    metacodeBytes: Number(metacode[1]),
    heapBytes: Number(heap[1]),
  };
}
