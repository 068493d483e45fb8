/** `hedge compare`: a module against onnxruntime, layer by layer. */
import type { Command } from "commander";
import { EXIT_CODES } from "../errors.ts";
import type { Comparison, LayerComparison } from "../explore/compare.ts";
import { addModelOptions, importOptions, integer, type ModelOptions } from "./options.ts";
import { globalOptions, printResult } from "./output.ts";
import { withProgress } from "./progress.ts";

interface CompareOptions extends ModelOptions {
  readonly count: number;
  readonly seed: number;
}

export function register(program: Command): void {
  const compare = program
    .command("compare")
    .summary("hold a model's module to onnxruntime, layer by layer")
    .description(
      "Compiles the model, runs samples on wasm3 and on onnxruntime, and compares what every layer came to. The first layer that " +
        "differs is named. Without samples, random ones are drawn.",
    )
    .argument("<model.onnx>", "the model")
    .argument("[samples...]", "PNG, JPEG or JSON files, or one file of records (.bin: label byte, pixels)")
    .option("-n, --count <samples>", "random samples, or records of the file", integer(1, 100_000), 8)
    .option("--seed <number>", "of the random samples", integer(0, 2 ** 31 - 1), 1);
  addModelOptions(compare)
    .addHelpText("after", "\nExample:\n  hedge compare model.onnx cat.png\n  hedge compare model.onnx --count 20")
    .action(async (path: string, paths: string[], options: CompareOptions, command: Command) => {
      const [{ compileSource }, { readModelFile }, { compareLayers }, { compareSamples }] = await Promise.all([
        import("../bundle/compile.ts"),
        import("../import/onnx/model-file.ts"),
        import("../explore/compare.ts"),
        import("../explore/compare-samples.ts"),
      ]);
      const global = globalOptions(command);
      const source = await readModelFile(path);
      const compilation = await compileSource(source, importOptions(options));
      const samples = await compareSamples(paths, compilation.bundle.manifest, options);
      const comparison = await withProgress(global, (progress) =>
        compareLayers(compilation, source.model, path, samples, (what, done, total) =>
          progress.update(what, done, total),
        ),
      );
      printResult(global, comparison, () => table(comparison));
      if (comparison.firstDiverging !== undefined && !comparison.byRounding) process.exitCode = EXIT_CODES.check;
    });
}

function table(comparison: Comparison): string {
  const { layers, withoutCounterpart } = comparison;
  const width = Math.max(...layers.map(({ name }) => name.length));
  const row = ({ name, kind, values, differing, largest }: LayerComparison): string =>
    `${name.padEnd(width)}  ${kind.padEnd(14)} ${differing === 0 ? "same" : `${differing} of ${values} differ, by up to ${Number(largest.toPrecision(3))} steps`}`;
  const others =
    withoutCounterpart.length > 0 ? [`made by the compiler, nothing to compare: ${withoutCounterpart.join(", ")}`] : [];
  return [...layers.map(row), ...others, verdict(comparison)].join("\n");
}

function verdict({ layers, samples, firstDiverging, byRounding }: Comparison): string {
  if (firstDiverging === undefined)
    return `all ${layers.length} layers the same on ${samples} ${samples === 1 ? "sample" : "samples"}`;
  const why = byRounding ? ", by one level where float32 rounding decides about it; what follows depends on that" : "";
  return `first layer that differs: ${firstDiverging}${why}`;
}
