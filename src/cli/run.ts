/** `hedge run`: runs a model on files. */
import { type Command, Option } from "commander";
import { ENGINE_KINDS, type EngineKind } from "../engine/engine.ts";
import type { Classification, Finisher } from "../explore/classify.ts";
import { nonNegative } from "./options.ts";
import { globalOptions, printResult } from "./output.ts";

interface RunOptions {
  readonly engine: EngineKind;
  readonly threshold?: number;
  readonly broker?: string;
  readonly edgeOnly?: boolean;
}

export function register(program: Command): void {
  program
    .command("run")
    .summary("classify images and other samples")
    .description(
      "Runs the edge part on images of the model's size (PNG or JPEG), or on arrays of numbers (JSON). Where the exit is not sure, the " +
        "cloud part finishes: in this process, or with --broker on a worker. Edge-only models answer by themselves: with a label, or " +
        "with the values of their output.",
    )
    .argument("<bundle>", "folder that hedge compile wrote")
    .argument("<samples...>", "PNG, JPEG or JSON files")
    .addOption(new Option("-e, --engine <engine>", "what runs the module").choices(ENGINE_KINDS).default("wasm3"))
    .option(
      "-t, --threshold <nats>",
      "entropy below which the exit's answer is final (default: the bundle's)",
      nonNegative,
    )
    .addOption(new Option("-b, --broker <url>", "offload over this MQTT broker").conflicts("edgeOnly"))
    .option("--edge-only", "take the exit's answer, sure or not")
    .addHelpText(
      "after",
      "\nExample:\n  hedge run out/ cat.png\n  hedge run out/ *.png --json --threshold 0.3\n  hedge run out/ sensor.json",
    )
    .action(async (folder: string, paths: string[], options: RunOptions, command: Command) => {
      const [{ readBundle }, { readSample }, { classifySamples }] = await Promise.all([
        import("../bundle/read.ts"),
        import("../explore/sample-file.ts"),
        import("../explore/classify.ts"),
      ]);
      const bundle = await readBundle(folder);
      const samples: Int8Array[] = [];
      for (const path of paths) samples.push(await readSample(path, bundle.manifest));
      const finisher: Finisher = options.broker
        ? { by: "broker", url: options.broker }
        : { by: options.edgeOnly ? "nobody" : "here" };
      const { engine, threshold } = options;
      const results = await classifySamples(bundle, samples, { engine, threshold, finisher });
      const rows = results.map((result, i) => ({ sample: paths[i]!, ...result }));
      printResult(globalOptions(command), rows, () => rows.map(sentence).join("\n"));
    });
}

/** Values beyond these are left to --json. */
const SHOWN_VALUES = 16;

function sentence({ sample, ...row }: Classification & { sample: string }): string {
  if (row.outputs) return `${sample}: ${row.label < 0 ? values(row.outputs) : row.class}`;
  const entropy = `entropy ${row.entropy!.toFixed(3)} nats`;
  const how = {
    edge: `on the device, ${entropy}`,
    cloud: `by the cloud part${row.confidence === undefined ? "" : `, ${(100 * row.confidence).toFixed(1)} %`}; ${entropy}, ${row.payloadBytes} B sent`,
    fallback: `by the exit, not sure: ${entropy}`,
  }[row.source];
  return `${sample}: ${row.class} (${how})`;
}

function values(outputs: readonly number[]): string {
  const shown = outputs.slice(0, SHOWN_VALUES).map((value) => Number(value.toPrecision(6)));
  return `${shown.join(" ")}${outputs.length > SHOWN_VALUES ? ` ... (${outputs.length} values)` : ""}`;
}
