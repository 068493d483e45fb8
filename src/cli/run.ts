/** `hedge run`: runs a model on files. */
import { type Command, Option } from "commander";
import type { Bundle } from "../bundle/bundle.ts";
import { ENGINE_KINDS, type EngineKind } from "../engine/engine.ts";
import type { Classification, Finisher } from "../explore/classify.ts";
import { addTlsOptions, type BrokerOptions, brokerAccess } from "./broker-options.ts";
import { deviceTarget } from "./device-target.ts";
import { DEFAULT_BROKER, nonNegative } from "./options.ts";
import { globalOptions, printResult } from "./output.ts";

interface RunOptions extends Partial<BrokerOptions> {
  readonly engine: EngineKind;
  readonly threshold?: number;
  readonly edgeOnly?: boolean;
  readonly link?: string;
  readonly board?: string;
  readonly state?: string;
  readonly device?: string;
}

export function register(program: Command): void {
  const command = program
    .command("run")
    .summary("classify images and other samples")
    .description(
      "Runs the edge part on images of the model's size (PNG or JPEG), or on arrays of numbers (JSON). Where the exit is not sure, the " +
        "cloud part finishes: in this process, or with --broker on a worker. Edge-only models answer by themselves: with a label, or " +
        "with the values of their output. With --board, --link or --device the samples go to a device that has the model (hedge flash).",
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
    .addOption(onDevice("--board <name>", "a board that hedge board run started, by its id").conflicts("broker"))
    .option("--state <folder>", "state folder of that board (default: .hedge/NAME)")
    .addOption(
      onDevice("--link <address>", "a device on a line: serial:/dev/ttyACM0, tcp:host:port or unix:path").conflicts(
        "broker",
      ),
    )
    .addOption(onDevice("--device <id>", "a device at the broker"));
  addTlsOptions(command)
    .addHelpText(
      "after",
      "\nExample:\n  hedge run out/ cat.png\n  hedge run out/ *.png --json --threshold 0.3\n  hedge run out/ sensor.json\n  hedge run out/ cat.png --board porch",
    )
    .action(async (folder: string, paths: string[], options: RunOptions, command: Command) => {
      const [{ readBundle }, { readSample }] = await Promise.all([
        import("../bundle/read.ts"),
        import("../explore/sample-file.ts"),
      ]);
      const bundle = await readBundle(folder);
      const samples: Int8Array[] = [];
      for (const path of paths) samples.push(await readSample(path, bundle.manifest));
      const results = await (isOnDevice(options) ? askDevice : runHere)(bundle, samples, options);
      const rows = results.map((result, i) => ({ sample: paths[i]!, ...result }));
      printResult(globalOptions(command), rows, () => rows.map(sentence).join("\n"));
    });
}

/** What a device decides by itself is nothing to say here. */
function onDevice(flags: string, description: string): Option {
  return new Option(flags, description).conflicts(["engine", "edgeOnly", "threshold"]);
}

function isOnDevice({ board, link, device }: RunOptions): boolean {
  return (board ?? link ?? device) !== undefined;
}

async function runHere(
  bundle: Bundle,
  samples: readonly Int8Array[],
  { engine, threshold, edgeOnly, broker, ...tls }: RunOptions,
): Promise<Classification[]> {
  const { classifySamples } = await import("../explore/classify.ts");
  const finisher: Finisher = broker
    ? { by: "broker", access: brokerAccess({ ...tls, broker }) }
    : { by: edgeOnly ? "nobody" : "here" };
  return classifySamples(bundle, samples, { engine, threshold, finisher });
}

async function askDevice(
  bundle: Bundle,
  samples: readonly Int8Array[],
  { broker = DEFAULT_BROKER, ...named }: RunOptions,
): Promise<Classification[]> {
  const [{ classifyOnDevice }, { openRemote }] = await Promise.all([
    import("../explore/classify-on-device.ts"),
    import("../remote/target.ts"),
  ]);
  const device = await openRemote(await deviceTarget({ broker, ...named }));
  try {
    return await classifyOnDevice(bundle, samples, device);
  } finally {
    await device.close();
  }
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
