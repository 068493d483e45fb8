/** `hedge demo`: the whole road on this machine. */
import { fileURLToPath } from "node:url";
import { type Command, Option } from "commander";
import { ENGINE_KINDS, type EngineKind } from "../engine/engine.ts";
import { HedgeError } from "../errors.ts";
import type { DemoState } from "../explore/demo.ts";
import { integer, nonNegative } from "./options.ts";
import { type GlobalOptions, globalOptions, printResult } from "./output.ts";
import { Progress } from "./progress.ts";

interface DemoCommandOptions {
  readonly images: string;
  readonly count?: number;
  readonly devices: number;
  readonly engine: EngineKind;
  readonly threshold?: number;
}

export function register(program: Command): void {
  program
    .command("demo")
    .summary("watch devices, a broker and a worker at work")
    .description(
      "Starts an MQTT broker, a cloud worker and several devices on this machine, feeds the devices labelled images and ends\n" +
        "with a table: how many they answered themselves, how many answers were right, and what it cost.",
    )
    .argument("<bundle>", "folder that hedge compile wrote")
    .option("-i, --images <path>", "folder of labelled images, or file of records", "models/cifar10-test-500")
    .option("-n, --count <images>", "the first so many images only", integer(1, 1_000_000))
    .option("-d, --devices <count>", "devices", integer(1, 100), 5)
    .addOption(new Option("-e, --engine <engine>", "what devices run on").choices(ENGINE_KINDS).default("wasm3"))
    .option("--threshold <nats>", "exit threshold (default: the bundle's)", nonNegative)
    .addHelpText(
      "after",
      "\nExample:\n  hedge compile models/resnet20-12e6c-2bit/model.onnx -o out/ && hedge demo out/",
    )
    .action(async (folder: string, options: DemoCommandOptions, command: Command) => {
      const [{ readBundle }, { loadSamples }, { runDemo }, { progressText, reportText }] = await Promise.all([
        import("../bundle/read.ts"),
        import("../explore/load-samples.ts"),
        import("../explore/demo.ts"),
        import("../explore/demo-text.ts"),
      ]);
      const globals = globalOptions(command);
      const bundle = await readBundle(folder);
      if (bundle.cloudOnnx === undefined) {
        throw new HedgeError("input", `The bundle ${folder} has no cloud part.`, "Give a bundle of a hybrid model.");
      }
      const samples = await loadSamples(options.images, bundle.manifest, options.count);
      const hedge = fileURLToPath(new URL("./main.js", import.meta.url));
      const show = await display(globals, progressText);
      const progress = new Progress(globals);
      const { devices, engine, threshold } = options;
      try {
        const report = await runDemo({
          bundle,
          folder,
          hedge,
          samples,
          devices,
          engine,
          threshold,
          onProgress: show.update,
          onCompare: (done, total) => {
            show.end();
            progress.update("the whole network, for comparison: image", done, total);
          },
        });
        progress.end();
        printResult(globals, report, () => reportText(report));
        if (report.lost > 0) {
          throw new HedgeError(
            "check",
            `${report.lost} of ${report.images} images got no answer.`,
            "Report it: none may be lost.",
          );
        }
      } finally {
        show.end();
        progress.end();
      }
    });
}

interface Display {
  readonly update: (state: DemoState) => void;
  readonly end: () => void;
}

/** On a terminal lines that renew themselves ten times a second, elsewhere a line now and then. */
async function display(globals: GlobalOptions, text: (state: DemoState) => string): Promise<Display> {
  if (globals.quiet || process.stderr.isTTY !== true) {
    const progress = new Progress(globals);
    const answered = ({ devices }: DemoState) => devices.reduce((sum, device) => sum + device.answers, 0);
    return {
      update: (state) => progress.update("images answered", answered(state), state.total),
      end: () => progress.end(),
    };
  }
  const { createLogUpdate } = await import("log-update");
  const log = createLogUpdate(process.stderr);
  let next = 0;
  let last: DemoState | undefined;
  return {
    update: (state) => {
      last = state;
      if (Date.now() < next) return;
      next = Date.now() + 100;
      log(text(state));
    },
    end: () => {
      if (last === undefined) return;
      log(text(last));
      log.done();
      last = undefined;
    },
  };
}
