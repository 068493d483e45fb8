/** `hedge run`: classifies image files. */
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
    .summary("classify image files")
    .description(
      "Runs the edge part on images of the model's size (PNG or JPEG). Where the exit is not sure, the cloud part finishes: in this " +
        "process, or with --broker on a worker.",
    )
    .argument("<bundle>", "folder that hedge compile wrote")
    .argument("<images...>", "PNG or JPEG files")
    .addOption(new Option("-e, --engine <engine>", "what runs the module").choices(ENGINE_KINDS).default("wasm3"))
    .option(
      "-t, --threshold <nats>",
      "entropy below which the exit's answer is final (default: the bundle's)",
      nonNegative,
    )
    .addOption(new Option("-b, --broker <url>", "offload over this MQTT broker").conflicts("edgeOnly"))
    .option("--edge-only", "take the exit's answer, sure or not")
    .addHelpText("after", "\nExample:\n  hedge run out/ cat.png\n  hedge run out/ *.png --json --threshold 0.3")
    .action(async (folder: string, paths: string[], options: RunOptions, command: Command) => {
      const [{ readBundle }, { readImage }, { classifyImages }] = await Promise.all([
        import("../bundle/read.ts"),
        import("../explore/image-file.ts"),
        import("../explore/classify.ts"),
      ]);
      const bundle = await readBundle(folder);
      const images: Int8Array[] = [];
      for (const path of paths) images.push(await readImage(path, bundle.manifest));
      const finisher: Finisher = options.broker
        ? { by: "broker", url: options.broker }
        : { by: options.edgeOnly ? "nobody" : "here" };
      const { engine, threshold } = options;
      const results = await classifyImages(bundle, images, { engine, threshold, finisher });
      const rows = results.map((result, i) => ({ image: paths[i]!, ...result }));
      printResult(globalOptions(command), rows, () => rows.map(sentence).join("\n"));
    });
}

function sentence(row: Classification & { image: string }): string {
  const entropy = `entropy ${row.entropy.toFixed(3)} nats`;
  const how = {
    edge: `on the device, ${entropy}`,
    cloud: `by the cloud part${row.confidence === undefined ? "" : `, ${(100 * row.confidence).toFixed(1)} %`}; ${entropy}, ${row.payloadBytes} B sent`,
    fallback: `by the exit, not sure: ${entropy}`,
  }[row.source];
  return `${row.image}: ${row.class} (${how})`;
}
