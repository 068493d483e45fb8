/** `hedge inspect`: the layer table of a bundle. */
import type { Command } from "commander";
import type { Inspection } from "../explore/inspection.ts";
import { globalOptions, printResult } from "./output.ts";

export function register(program: Command): void {
  program
    .command("inspect")
    .summary("show a bundle's layers, RAM and flash")
    .description("Prints what each layer of a compiled model computes and costs, and the totals of RAM and flash.")
    .argument("<bundle>", "folder that hedge compile wrote")
    .addHelpText("after", "\nExample:\n  hedge inspect out/")
    .action(async (folder: string, _options: unknown, command: Command) => {
      const [{ readBundle }, { inspectBundle }, { default: Table }] = await Promise.all([
        import("../bundle/read.ts"),
        import("../explore/inspection.ts"),
        import("cli-table3"),
      ]);
      const inspection = inspectBundle(await readBundle(folder));
      printResult(globalOptions(command), inspection, () => {
        const table = new Table({
          head: ["layer", "kind", "shape", "bits (w/a)", "MACs", "weight B", "activation B", "steps"],
          colAligns: ["left", "left", "left", "right", "right", "right", "right", "right"],
          style: { head: [], border: [], compact: true },
        });
        for (const row of inspection.layers)
          table.push([
            row.name,
            row.kind,
            row.outputShape.join("x"),
            `${row.weightBits}/${row.activationBits}`,
            row.macs.toLocaleString("en"),
            row.weightBytes,
            row.activationBytes,
            row.steps,
          ]);
        return `${table.toString()}\n${totals(inspection)}`;
      });
    });
}

function totals({ name, digest, macs, binaryMacs, ram, flash, offload, output }: Inspection): string {
  const kib = (bytes: number): string => `${bytes.toLocaleString("en")} B (${(bytes / 1024).toFixed(1)} KiB)`;
  return [
    `${name}  ${digest.slice(0, 16)}`,
    `MACs      ${macs.toLocaleString("en")}, of them binary ${binaryMacs.toLocaleString("en")}`,
    `RAM       ${kib(ram.total)} = linear memory ${ram.linear} + wasm3's stack ${ram.stack}, compiled code ${ram.code} and structures ${ram.structures}, on a 32-bit device`,
    `flash     ${kib(flash.total)} = module ${flash.module} + weights ${flash.weights}`,
    offload
      ? `offload   ${offload.payload} B a sample; cloud part ${kib(offload.cloud)}`
      : `answers   ${output!.labels ? `one of ${output!.shape[0]} labels` : `${output!.shape.join("x")} values`} (edge-only)`,
  ].join("\n");
}
