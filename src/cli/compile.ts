/** `hedge compile`: a model file -> a bundle. */
import { type Command, Option } from "commander";
import type { Stage, StageKind } from "../bundle/compile.ts";
import { HedgeError } from "../errors.ts";
import type { Plan } from "../plan/plan.ts";
import { KERNEL_PROFILES, type KernelProfile } from "../plan/profile.ts";
import { STDOUT, stageKinds, stageWriter } from "./dump.ts";
import { addModelOptions, importOptions, type ModelOptions } from "./options.ts";
import { globalOptions, printResult } from "./output.ts";
import { withProgress } from "./progress.ts";
import { addSnapOptions, type SnapCommandOptions, snapFirst, snapText } from "./snap.ts";

interface CompileCommandOptions extends ModelOptions, SnapCommandOptions {
  readonly out: string;
  readonly board?: string;
  readonly kernels: KernelProfile;
  readonly dump?: StageKind[];
  readonly dumpDir?: string;
}

export function register(program: Command): void {
  const compile = program
    .command("compile")
    .summary("compile a model into a bundle")
    .description(
      "Lowers the edge part of a quantised ONNX model to a WebAssembly module for wasm3 and splits off its cloud part.\n" +
        "The model's metadata says where the cut and the exit are (docs/model-format.md), or --cut and --exit do; without, all of it " +
        "runs on the device.",
    )
    .argument("<model.onnx>", "the model")
    .requiredOption("-o, --out <folder>", "the bundle's folder; one that holds a bundle is replaced");
  addSnapOptions(addModelOptions(compile))
    .option("--board <name>", "refuse what does not fit this board (hedge boards lists them; or a board's .json file)")
    .addOption(
      new Option(
        "--kernels <profile>",
        "portable: all runs in the module; native: the device's kernels in C where it has them",
      )
        .choices(KERNEL_PROFILES)
        .default("portable"),
    )
    .option(
      "--dump <stages>",
      "write stages as text: pass (the graph behind each), plan, wat; or several: pass,plan",
      stageKinds,
    )
    .option("--dump-dir <folder>", "where --dump writes files; stdout by default")
    .addHelpText(
      "after",
      "\nExamples:\n  hedge compile models/resnet20-12e6c-2bit/model.onnx -o out/\n" +
        "  hedge compile model.onnx --cut features --exit logits:entropy:0.5 -o out/\n" +
        "  hedge compile float.onnx --snap --calibrate samples.npy --write-snapped snapped.onnx -o out/",
    )
    .action(async (path: string, options: CompileCommandOptions, command: Command) => {
      const [{ compileFile, compileSource }, { writeBundle }, { findBoard }, { memoryLimitOf, refuseUnfit }] =
        await Promise.all([
          import("../bundle/compile.ts"),
          import("../bundle/write.ts"),
          import("../boards/boards.ts"),
          import("../explore/analyze/budget.ts"),
        ]);
      const board = options.board === undefined ? undefined : await findBoard(options.board);
      if (options.dumpDir !== undefined && !options.dump)
        throw new HedgeError("usage", "--dump-dir goes with --dump.", "Add --dump pass,plan,wat, or some of them.");
      const started = performance.now();
      const write = options.dump && stageWriter(options.dump, options.dumpDir ?? STDOUT);
      const { bundle, plan, notes, snap } = await withProgress(globalOptions(command), async (progress) => {
        const snapped = await snapFirst(path, options, progress);
        const compileOptions = {
          ...importOptions(options),
          kernels: options.kernels,
          memoryLimit: board && memoryLimitOf(board),
          stage: (stage: Stage): void => {
            progress.update(`compiling: ${stage.name}`);
            write?.(stage);
          },
        };
        const compilation = await (snapped
          ? compileSource(snapped.source, compileOptions)
          : compileFile(path, compileOptions));
        if (board) refuseUnfit(compilation, board);
        await writeBundle(options.out, compilation.bundle);
        return {
          ...compilation,
          snap: snapped && { ...snapped.comparison, equal: await snapped.check(compilation.bundle) },
        };
      });
      const { manifest, digest } = bundle;
      const seconds = (performance.now() - started) / 1000;
      const result = {
        bundle: options.out,
        name: manifest.name,
        digest,
        moduleBytes: bundle.edgeWasm.length,
        weightBytes: bundle.weights.length,
        memoryBytes: manifest.module.memoryBytes,
        steps: manifest.module.steps,
        ...(options.kernels === "native" ? { nativeLayers: nativeLayers(plan) } : {}),
        ...(manifest.payload ? { payloadBytes: manifest.payload.bytes } : {}),
        notes: notes.map(({ message }) => message),
        ...(snap && { snap }),
        seconds: Number(seconds.toFixed(3)),
      };
      printResult(globalOptions(command), result, () =>
        [
          `${manifest.name} -> ${options.out} in ${seconds.toFixed(1)} s`,
          `  module ${result.moduleBytes} B, weights ${result.weightBytes} B, linear memory ${result.memoryBytes} B, ${result.steps} steps`,
          manifest.payload
            ? `  an offloaded sample sends ${manifest.payload.bytes} B`
            : "  edge-only: it answers every sample itself",
          ...(options.kernels === "native"
            ? [`  the device's own kernels compute ${nativeLayers(plan)} of ${plan.layers.length} layers`]
            : []),
          ...(snap ? snapText(snap, snap.equal) : []),
          ...(notes.length > 0 ? [`  not the model to the bit in ${notes.length} places: hedge check names them`] : []),
          `  look inside with: hedge inspect ${options.out}`,
        ].join("\n"),
      );
    });
}

function nativeLayers({ layers }: Plan): number {
  return layers.filter(({ kind }) => kind === "native").length;
}
