/** `hedge check`: everything that keeps a model from compiling. */
import type { Command } from "commander";
import { HedgeError } from "../errors.ts";
import type { Diagnosis } from "../explore/diagnose.ts";
import { addModelOptions, importOptions, type ModelOptions } from "./options.ts";
import { globalOptions, printable, printResult } from "./output.ts";

export function register(program: Command): void {
  const check = program
    .command("check")
    .summary("list everything that keeps a model from compiling")
    .description(
      "Goes through all stages of a compilation and lists what does not compile, each with its number (docs/diagnostics.md), its node, " +
        "the reason and the remedy; of a model that compiles, what it becomes. Writes nothing. Ends with exit code 5 when there is a problem.",
    )
    .argument("<model.onnx>", "the model");
  addModelOptions(check)
    .addHelpText("after", "\nExample:\n  hedge check model.onnx\n  hedge check model.onnx --json")
    .action(async (path: string, options: ModelOptions, command: Command) => {
      const [{ readModelFile }, { diagnose }] = await Promise.all([
        import("../import/onnx/model-file.ts"),
        import("../explore/diagnose.ts"),
      ]);
      const diagnosis = diagnose(await readModelFile(path), importOptions(options));
      printResult(globalOptions(command), diagnosis, () => text(diagnosis));
      const { problems, float } = diagnosis;
      if (problems.length === 0) return;
      throw new HedgeError(
        "check",
        `${path} does not compile: ${plural(problems.length, "problem")}.`,
        float
          ? "It has no quantisers: hedge compile --snap --calibrate SAMPLES puts it on integer grids."
          : "Change the model where the list says so; docs/operators.md says what compiles.",
      );
    });
}

function text({ file, problems, notes, operators, layers, bits }: Diagnosis): string {
  const lines = problems.map(({ code, message, remedy }) => `${code} ${message}\n     ${remedy}`);
  const total = Object.values(operators).reduce((sum, count) => sum + count, 0);
  lines.push(`${file}: ${plural(total, "node")} for the device${listed(operators)}`);
  if (problems.length > 0) return printable(lines.join("\n"));
  const count = Object.values(layers).reduce((sum, each) => sum + each, 0);
  lines.push(`compiles to ${plural(count, "layer")}${listed(layers)}`);
  if (Object.keys(bits).length > 0) lines.push(`weights and activations${listed(bits)}`);
  lines.push(...notes.map((note) => `note: ${note}`));
  return printable(lines.join("\n"));
}

function listed(counts: Readonly<Record<string, number>>): string {
  const entries = Object.entries(counts).map(([name, count]) => `${count} ${name}`);
  return entries.length > 0 ? `: ${entries.join(", ")}` : "";
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
