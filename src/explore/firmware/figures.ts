/** The figures of the firmware: `figure NAME VALUE UNIT`, all of one run, with the tables behind them. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { VARIANTS, type Variant } from "../../boards/state.ts";
import { compileModel } from "../../bundle/compile.ts";
import { writeBundle } from "../../bundle/write.ts";
import { readModelBytes } from "../../import/onnx/codec.ts";
import type { KernelProfile } from "../../plan/profile.ts";
import { loadSamples } from "../load-samples.ts";
import type { Report } from "../run-edge.ts";
import { startWorkerProcess } from "../worker-process.ts";
import { type BoardCost, boardCost, ramBytes } from "./board-cost.ts";
import { cycleEstimates } from "./cycles.ts";
import { faultFigures } from "./fault-figures.ts";
import { type Compiled, countDifferences } from "./identical.ts";
import { imageSize } from "./image-size.ts";
import { countNetwork, layerTable } from "./layer-table.ts";
import { countLevers } from "./levers.ts";
import { cutPower } from "./power-cuts.ts";
import { startSecuredBroker } from "./secured-broker.ts";

export interface FirmwareBenchOptions {
  /** The model's file (.onnx). */
  readonly model: string;
  /** Labelled images: a folder or records. */
  readonly images: string;
  /** So many go through every board. */
  readonly count: number;
  /** Path of the command line's main file, to start workers with. */
  readonly hedge: string;
  /** Takes each line as soon as it is known: plain ones, and `figure NAME VALUE UNIT`. */
  readonly print: (line: string) => void;
  readonly report: Report;
}

/** The board whose instructions are counted, and whose sizes have targets. */
const REFERENCE = "mps2-an386";
/** Images whose instructions are counted in the firmware: an inference's work hardly depends on them. */
const COUNTED = 3;
const POWER_CUT_RUNS = 2000;
const POWER_CUT_SEED = 1;

/**
 * @returns what does not hold: nothing, unless Hedge has a defect
 * @throws HedgeErrors: usage when the firmware, mosquitto, QEMU or a compiler is missing; internal when builds of one plan disagree
 */
export async function firmwareFigures(options: FirmwareBenchOptions): Promise<string[]> {
  const { print, report } = options;
  const figure = (name: string, value: number | string, unit: string) => print(`figure ${name} ${value} ${unit}`);
  const folder = await mkdtemp(join(tmpdir(), "hedge-firmware-"));
  try {
    for (const variant of VARIANTS) await printSize(variant, print);

    report("building programs that count, for the emulated Cortex-M4", 0, 0);
    const model = await readModelBytes(options.model);
    const counted = await countNetwork(model, options.model, folder);
    for (const line of layerTable(counted)) print(line);

    const models = await compileProfiles(options.model, folder);
    const costs = await costsOnBoard(options, models, folder);
    figure("fw.ram", ramBytes(costs.plain.description), "B");
    figure("fw.ram.tls", ramBytes(costs.tls.description), "B");
    figure("fw.ram.small", ramBytes(costs.small.description), "B");
    figure("fw.instr.portable", costs.plain.instructions, "instructions");
    figure("fw.instr.native", costs.native.instructions, "instructions");
    figure("fw.native_ratio", (costs.native.instructions / counted.c).toFixed(3), "times");
    figure("fw.portable_ratio", (costs.plain.instructions / counted.c).toFixed(3), "times");
    for (const line of cycleEstimates({ portable: costs.plain.instructions, native: costs.native.instructions }))
      print(line);

    print(`${"wasm3's build (portable module)".padEnd(34)} instructions   bytes of flash`);
    await countLevers(counted.job, ({ name }, { instructions, flashBytes }) => {
      report(name, 0, 0);
      print(`${name.padEnd(34)} ${instructions.toLocaleString("en").padStart(12)} ${String(flashBytes).padStart(16)}`);
    });

    report("power cuts", 0, 0);
    const cuts = await cutPower(POWER_CUT_RUNS, POWER_CUT_SEED);
    for (const line of cuts.lines) print(`power cuts: ${line}`);
    figure("fw.powercut.bricks", cuts.bricks, "devices");

    const { bundle } = models.portable;
    const { images } = await loadSamples(options.images, bundle.manifest, options.count);
    await faultFigures({ bundle, images, print, report });

    const differences = await countDifferences({ ...options, models });
    figure("fw.identical", differences === 0 ? 1 : 0, "bool");
    return [
      ...(cuts.bricks > 0 ? [`power cuts left ${cuts.bricks} devices without their model`] : []),
      ...(differences > 0 ? [`boards and host differ ${differences} times`] : []),
    ];
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function printSize(variant: Variant, print: (line: string) => void): Promise<void> {
  const { flash, parts } = await imageSize(REFERENCE, variant);
  print(`${REFERENCE}, ${variant}: ${parts.map(([name, bytes]) => `${name} ${bytes}`).join(", ")} B`);
  print(`figure fw.flash${variant === "plain" ? "" : `.${variant}`} ${flash} B`);
}

/** The model's bundles, and their folders. */
async function compileProfiles(file: string, folder: string): Promise<Readonly<Record<KernelProfile, Compiled>>> {
  const compile = async (kernels: KernelProfile): Promise<Compiled> => {
    const { bundle } = await compileModel(await readModelBytes(file), file, { kernels });
    await writeBundle(join(folder, kernels), bundle);
    return { bundle, folder: join(folder, kernels) };
  };
  return { portable: await compile("portable"), native: await compile("native") };
}

type Costs = Readonly<Record<Variant | "native", BoardCost>>;

/** The portable model on each variant of the firmware, the native one on the plain one. */
async function costsOnBoard(
  { images: file, hedge, report, print }: FirmwareBenchOptions,
  models: Readonly<Record<KernelProfile, Compiled>>,
  folder: string,
): Promise<Costs> {
  const { broker, secured } = await startSecuredBroker(folder);
  const start = ({ folder: served }: Compiled) => startWorkerProcess(hedge, served, broker.url);
  const workers = await Promise.all(Object.values(models).map(start));
  try {
    const cost = async (variant: Variant, kernels: KernelProfile): Promise<BoardCost> => {
      report(`an inference on ${REFERENCE}, ${variant}, ${kernels}`, 0, 0);
      const { bundle } = models[kernels];
      const { images } = await loadSamples(file, bundle.manifest, COUNTED);
      const config = variant === "tls" ? secured : {};
      const found = await boardCost({ variant, bundle, images, broker: broker.url, config });
      const { heapPeak, heapBytes, stackPeak, stackBytes, staticBytes } = found.description.memory;
      print(
        `${REFERENCE}, ${variant}, ${kernels}: statics ${staticBytes} B, in them wasm3's ${heapBytes} (used: ${heapPeak}); ` +
          `stack ${stackBytes} (used: ${stackPeak})`,
      );
      return found;
    };
    return {
      plain: await cost("plain", "portable"),
      native: await cost("plain", "native"),
      tls: await cost("tls", "portable"),
      small: await cost("small", "portable"),
    };
  } finally {
    await Promise.all(workers.map((worker) => worker.kill()));
    await broker.close();
  }
}
