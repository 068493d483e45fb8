/** `hedge compile`: a model file -> a bundle. */
import type { Command } from "commander";
import type { StageKind } from "../bundle/compile.ts";
import { STDOUT, stageKinds, stageWriter } from "./dump.ts";
import { globalOptions, printResult } from "./output.ts";

interface CompileCommandOptions {
  readonly out: string;
  readonly dump?: StageKind[];
  readonly dumpDir: string;
}

export function register(program: Command): void {
  program
    .command("compile")
    .summary("compile a hybrid model into a bundle")
    .description(
      "Lowers the edge part of a QONNX model to a WebAssembly module for wasm3 and splits off its cloud part.\n" +
        "The model's metadata says where the cut and the exit are (docs/model-format.md).",
    )
    .argument("<model.onnx>", "the hybrid model")
    .requiredOption("-o, --out <folder>", "the bundle's folder; one that holds a bundle is replaced")
    .option(
      "--dump <stages>",
      "write stages as text: pass (the graph behind each), plan, wat; or several: pass,plan",
      stageKinds,
    )
    .option("--dump-dir <folder>", "where --dump writes files; - is stdout", STDOUT)
    .addHelpText("after", "\nExample:\n  hedge compile models/resnet20-12e6c-2bit/model.onnx -o out/")
    .action(async (path: string, options: CompileCommandOptions, command: Command) => {
      const [{ compileFile }, { writeBundle }] = await Promise.all([
        import("../bundle/compile.ts"),
        import("../bundle/write.ts"),
      ]);
      const started = performance.now();
      const { bundle } = await compileFile(path, { stage: options.dump && stageWriter(options.dump, options.dumpDir) });
      await writeBundle(options.out, bundle);
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
        ...(manifest.payload ? { payloadBytes: manifest.payload.bytes } : {}),
        seconds: Number(seconds.toFixed(3)),
      };
      printResult(globalOptions(command), result, () =>
        [
          `${manifest.name} -> ${options.out} in ${seconds.toFixed(1)} s`,
          `  module ${result.moduleBytes} B, weights ${result.weightBytes} B, linear memory ${result.memoryBytes} B, ${result.steps} steps`,
          manifest.payload
            ? `  an offloaded sample sends ${manifest.payload.bytes} B`
            : "  edge-only: it answers every sample itself",
          `  look inside with: hedge inspect ${options.out}`,
        ].join("\n"),
      );
    });
}
