/** `hedge analyze`: what a model costs on a device, without one. */
import { stat } from "node:fs/promises";
import { type Command, Option } from "commander";
import type { Bundle } from "../bundle/bundle.ts";
import type { Stage } from "../bundle/compile.ts";
import { HedgeError } from "../errors.ts";
import type { Plan } from "../plan/plan.ts";
import { KERNEL_PROFILES, type KernelProfile } from "../plan/profile.ts";
import { addModelOptions, importOptions, type ModelOptions } from "./options.ts";
import { globalOptions, printResult } from "./output.ts";
import { type Progress, withProgress } from "./progress.ts";

interface AnalyzeOptions extends ModelOptions {
  readonly kernels: KernelProfile;
  readonly board?: string;
  readonly svg?: string;
}

export function register(program: Command): void {
  const analyze = program
    .command("analyze")
    .summary("what a model costs on a device: RAM, flash, instructions, energy")
    .description(
      "Tells per layer and in total what a model needs on a 32-bit device: RAM to the byte as wasm3 allocates it, flash, " +
        "instructions by a model of wasm3, energy by the table of the CDHNN paper. With --board it holds the totals against what the board " +
        "has left beside its firmware, and ends with exit code 5 when the model does not fit.",
    )
    .argument("<model>", "a model (.onnx), or the folder of a bundle");
  addModelOptions(analyze)
    .addOption(new Option("--kernels <profile>", "as in hedge compile").choices(KERNEL_PROFILES).default("portable"))
    .option("-b, --board <name>", "a board that Hedge knows, or the file of one (.json); hedge boards lists them")
    .option("--svg <file>", "draw linear memory over the layers; of a model, not of a bundle")
    .addHelpText("after", "\nExample:\n  hedge analyze model.onnx --board nrf52840-dk --svg memory.svg")
    .action(async (path: string, options: AnalyzeOptions, command: Command) => {
      const [{ findBoard }, { memoryLimitOf, overBudget }] = await Promise.all([
        import("../boards/boards.ts"),
        import("../explore/analyze/budget.ts"),
      ]);
      const board = options.board === undefined ? undefined : await findBoard(options.board);
      const [{ analyzeBundle }, { COLUMNS, layerCells, totalLines }, { default: Table }] = await Promise.all([
        import("../explore/analyze/analysis.ts"),
        import("../explore/analyze/text.ts"),
        import("cli-table3"),
      ]);
      const analysis = await withProgress(globalOptions(command), async (progress) => {
        const { bundle, plan } = await open(path, options, board && memoryLimitOf(board), progress);
        if (options.svg !== undefined) await draw(options.svg, path, plan);
        progress.update("counting instructions");
        return analyzeBundle(bundle, plan);
      });
      const excess = board && overBudget(analysis, board);
      printResult(globalOptions(command), { ...analysis, ...(board ? { board, fits: !excess } : {}) }, () => {
        const table = new Table({
          head: [...COLUMNS],
          colAligns: COLUMNS.map((_, index) => (index < 2 ? "left" : "right")),
          style: { head: [], border: [], compact: true },
        });
        table.push(...analysis.layers.map(layerCells));
        return [table.toString(), ...totalLines(analysis, board)].join("\n");
      });
      if (excess) throw excess;
    });
}

interface Opened {
  readonly bundle: Bundle;
  readonly plan?: Plan;
}

/** A model is compiled first; of a bundle the plan is gone. */
async function open(
  path: string,
  options: AnalyzeOptions,
  memoryLimit: number | undefined,
  progress: Progress,
): Promise<Opened> {
  const folder = await stat(path).then(
    (facts) => facts.isDirectory(),
    () => false,
  );
  if (folder) {
    const { readBundle } = await import("../bundle/read.ts");
    return { bundle: await readBundle(path) };
  }
  const { compileFile } = await import("../bundle/compile.ts");
  const stage = ({ name }: Stage): void => progress.update(`compiling: ${name}`);
  return compileFile(path, { ...importOptions(options), kernels: options.kernels, memoryLimit, stage });
}

async function draw(file: string, path: string, plan: Plan | undefined): Promise<void> {
  if (!plan)
    throw new HedgeError(
      "usage",
      `${path} is a bundle, which does not say what lies in memory when.`,
      "Give the model.",
    );
  const [{ memorySvg }, { writeNamed }] = await Promise.all([
    import("../explore/analyze/memory-svg.ts"),
    import("../files.ts"),
  ]);
  await writeNamed(file, memorySvg(plan));
}
