/** A plan of the native profile as a program in C, without an interpreter. */
import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { HedgeError } from "../../errors.ts";
import { EXP_FRACTION, EXP_RANGE, EXP_WHOLE, LN_2 } from "../../graph/entropy.ts";
import type { CopyLayer, CopyPart } from "../../plan/element-layers.ts";
import type { Layer, Plan } from "../../plan/plan.ts";
import { KERNEL_FOLDER, sourceFile } from "./files.ts";
import type { Program } from "./machines.ts";
import type { MeasuredNetwork } from "./network.ts";

/** @param folder for what is generated */
export async function planProgram({ plan, job }: MeasuredNetwork, folder: string): Promise<Program> {
  const header = join(folder, "plan.h");
  const bodies = plan.steps.map((layers) =>
    layers.flatMap((layer) => [...loadLine(layer), ...layerLines(layer, plan)]).join("\n"),
  );
  const functions = bodies.map((body, i) => `static void step_${i} (void)\n{\n${body}\n}\n`);
  const table = `static void (* const steps []) (void) = { ${bodies.map((_, i) => `step_${i}`).join(", ")} };\n`;
  await writeFile(header, functions.join("") + table);
  const { input, memoryBytes, weights } = plan;
  const kernels = await readdir(KERNEL_FOLDER);
  const defines = {
    PLAN: `"${header}"`,
    MEMORY_BYTES: memoryBytes,
    WEIGHT_BYTES: weights.length,
    INPUT: input.address,
    INPUT_BYTES: job.sample.length,
    EXP_WHOLES: EXP_WHOLE.length,
    EXP_FRACTIONS: EXP_FRACTION.length,
    EXP_RANGE,
    LN_2,
  };
  return {
    source: sourceFile("natural/plan-program.c"),
    defines: Object.entries(defines).map(([name, value]) => `${name}=${value}`),
    sources: kernels.filter((name) => name.endsWith(".c")).map((name) => join(KERNEL_FOLDER, name)),
  };
}

/** The copy of the layer's weights; the exit's classifier copies its own, row by row. */
function loadLine(layer: Layer): string[] {
  const { scratch, weights, kind } = layer;
  return kind === "dense-exit" ? [] : [call("load", scratch.address, weights.offset, weights.bytes)];
}

function layerLines(layer: Layer, { threshold }: Plan): string[] {
  const { output, scratch, weights, outputShape } = layer;
  switch (layer.kind) {
    case "native":
      return [call("native", `hedge_${layer.kernel}`, scratch.address)];
    case "copy":
      return layer.parts.map((part) => copyLoops(layer, part));
    case "dense-exit": {
      const rows = [scratch.address, weights.offset, layer.rowBytes, outputShape[0]!];
      const tables = [layer.tables.offset, layer.tables.bytes, 16 + layer.logitExponent];
      const buffers = [`U8 (${layer.input.address})`, `I32 (${output.address})`];
      return [call("dense_exit", ...buffers, ...rows, ...tables, `I32 (${threshold})`)];
    }
    default:
      return unknown(`layers of the kind ${layer.kind}`);
  }
}

/** Nested loops over the bytes of a part. */
function copyLoops({ output, element, fill }: CopyLayer, part: CopyPart): string {
  if (element.bytes !== 1 || part.element.bytes !== 1 || part.factor !== 1 || fill !== undefined)
    return unknown("copies of anything but bytes as they are");
  const place = (base: number, by: "from" | "to"): string =>
    [base, ...part.loops.map((loop, i) => `i${i} * ${loop[by]}`)].join(" + ");
  const loops = part.loops.map(({ count }, i) => `for (int i${i} = 0; i${i} < ${count}; ++i${i}) `);
  return `${loops.join("")}memory [${place(output.address + part.to, "to")}] = memory [${place(part.input.address, "from")}];`;
}

function unknown(what: string): never {
  const remedy = "Add it to src/explore/codegen/plan-program.ts.";
  throw new HedgeError("internal", `There is no C for ${what}.`, remedy);
}

function call(name: string, ...args: readonly (string | number)[]): string {
  return `${name} (${args.join(", ")});`;
}
