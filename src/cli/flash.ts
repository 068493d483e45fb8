/** `hedge flash`: puts a model onto a board. */
import { stat } from "node:fs/promises";
import { type Command, Option } from "commander";
import type { Board } from "../boards/boards.ts";
import { findTarget, type Target, WAYS, type Way } from "../boards/flash-target.ts";
import type { Flashed } from "../boards/flashing.ts";
import type { TalkingDevice } from "../boards/trial.ts";
import type { Bundle } from "../bundle/bundle.ts";
import { HedgeError } from "../errors.ts";
import type { SlotImage } from "../slot/image.ts";
import type { SigningKey } from "../slot/keys.ts";
import type { BrokerAccess } from "../wire/broker-access.ts";
import type { Description } from "../wire/device-frames.ts";
import { addBrokerOptions, type BrokerOptions, brokerAccess } from "./broker-options.ts";
import { integer } from "./options.ts";
import { type GlobalOptions, globalOptions, printResult } from "./output.ts";
import { type Progress, withProgress } from "./progress.ts";

interface FlashCommandOptions extends BrokerOptions {
  readonly board?: string;
  readonly via?: Way;
  readonly state?: string;
  readonly link?: string;
  readonly device?: string;
  readonly key?: string;
  readonly counter?: number;
  readonly trial?: boolean;
  readonly confirm: boolean;
  readonly dryRun?: boolean;
}

export function register(program: Command): void {
  const command = program
    .command("flash")
    .summary("put a model onto a board")
    .description(
      "Signs a bundle and writes it to the one of a board's two slots that is not in use, so that the model before stays until the new one has " +
        "proved itself. A stopped emulated board gets it into its flash file, a running one over its UART, a real one by openocd, esptool or picotool; --link and " +
        "--device reach any device that runs the firmware. A running device tries the model and confirms it, or goes back to the one before. " +
        "A model that is over the board's budget, or that the board would not take, is refused before anything is written.",
    )
    .argument("<model>", "folder that hedge compile wrote, or an image that hedge sign wrote")
    .option("--board <name>", "the board, or the --id of an emulated one")
    .addOption(new Option("--via <way>", "how (default: by what the board is and whether it runs)").choices(WAYS))
    .option("--state <folder>", "state folder of an emulated board (default: .hedge/NAME)")
    .option("--link <address>", "a device on a line: serial:/dev/ttyACM0, tcp:host:port or unix:path")
    .option("--device <id>", "a device at the broker");
  addBrokerOptions(command)
    .option("-k, --key <file>", "the private key that signs (default: an emulated board's own)")
    .option("-c, --counter <number>", "(default: seconds since 1970, or above the device's)", integer(1, 0xffffffff))
    .option("--trial", "of a stopped board: have the model tried at the next start, instead of marking it confirmed")
    .option("--no-confirm", "of a running device: leave the model on trial, to be confirmed in time by hedge trial")
    .option("--dry-run", "show the command lines of a real board's tool, and run none")
    .addHelpText("after", "\nExample:\n  hedge board run mps2-an386 --detach && hedge flash out/ --board mps2-an386")
    .action(async (path: string, options: FlashCommandOptions, command: Command) => {
      const globals = globalOptions(command);
      const target = await findTarget(options);
      checkTrial(options, target);
      if (options.dryRun) return dryRun(globals, target);
      const result = await withProgress(globals, (progress) => flash(path, options, target, progress));
      printResult(globals, result, () => {
        const { name, device, slot, counter, via, state } = result;
        return `${name} is on ${device}: slot ${slot}, counter ${counter}, ${state}, via ${via}`;
      });
    });
}

interface Result extends Flashed {
  readonly name: string;
  readonly digest: string;
  readonly device: string;
  readonly counter: number;
  readonly via: Way;
}

async function flash(path: string, options: FlashCommandOptions, target: Target, progress: Progress): Promise<Result> {
  const model = await readModel(path, options, target);
  const talking = await talkTo(target, brokerAccess(options));
  try {
    const described = await talking?.remote.describe();
    const image = await imageOf(model, options.counter, target, described);
    const onProgress = (done: number, total: number): void => progress.update("writing byte", done, total);
    const flashed = await write(target, talking, image, options, onProgress);
    const { name, digest, counter } = image.header;
    const device = described?.device ?? (target.way === "file" ? target.device : target.board!.name);
    return { name, digest, device, counter, via: target.way, ...flashed };
  } finally {
    await talking?.close();
  }
}

/** Whoever runs on the other side, of the ways that need somebody there. */
async function talkTo(target: Target, access: BrokerAccess): Promise<TalkingDevice | undefined> {
  if (target.way === "file" || target.way === "probe") return undefined;
  const [{ TalkingDevice }, { RemoteDevice }] = await Promise.all([
    import("../boards/trial.ts"),
    import("../remote/remote-device.ts"),
  ]);
  return TalkingDevice.open((handlers) =>
    target.way === "mqtt"
      ? RemoteDevice.overMqtt(access, target.device, handlers)
      : RemoteDevice.overLink(target.way === "gdb" ? target.running.uart : target.link, handlers),
  );
}

/** Whether a model may stay on trial is said in one way of a board that runs, and in another of one that does not. */
function checkTrial({ trial, confirm }: FlashCommandOptions, { way }: Target): void {
  const isStopped = way === "file" || way === "probe";
  if (isStopped ? confirm : !trial) return;
  const [wrong, right] = isStopped ? ["--no-confirm", "--trial"] : ["--trial", "--no-confirm"];
  throw new HedgeError("usage", `--via ${way} has no ${wrong}.`, `Take ${right}: see hedge help flash.`);
}

/** An image that was signed before, or a bundle and who is to sign it. */
type Model =
  | { readonly image: SlotImage; readonly bundle?: undefined }
  | { readonly bundle: Bundle; readonly signer: SigningKey };

async function readModel(path: string, { key, counter }: FlashCommandOptions, target: Target): Promise<Model> {
  const isFile = await stat(path).then(
    (facts) => facts.isFile(),
    () => false,
  );
  if (isFile) {
    if (key === undefined && counter === undefined) {
      return { image: await (await import("../slot/image.ts")).readImage(path) };
    }
    throw new HedgeError("usage", `${path} is signed already.`, "Give the bundle's folder, or no --key and --counter.");
  }
  const [{ readBundle }, { readSigningKey }, { developmentKey }, { statePaths }] = await Promise.all([
    import("../bundle/read.ts"),
    import("../slot/keys.ts"),
    import("../boards/provision.ts"),
    import("../boards/state.ts"),
  ]);
  const bundle = await readBundle(path);
  if (key === undefined && target.folder === undefined) {
    throw new HedgeError(
      "usage",
      "Nothing says which key signs the model.",
      "Give --key, or an image that hedge sign wrote.",
    );
  }
  const signer = await (key === undefined ? developmentKey(statePaths(target.folder!).signer) : readSigningKey(key));
  return { bundle, signer };
}

/** The image of a model, once it is known to fit. */
async function imageOf(
  model: Model,
  counter: number | undefined,
  target: Target,
  described: Description | undefined,
): Promise<SlotImage> {
  if (model.bundle === undefined) return model.image;
  await refuseUnfit(model.bundle, target, described);
  const { createImage } = await import("../slot/image.ts");
  const next = Math.max(Math.floor(Date.now() / 1000), (described?.model?.counter ?? 0) + 1);
  return createImage(model.bundle, model.signer, counter ?? next);
}

/** By the board's file; a device that runs says how much RAM its firmware truly has for models. */
async function refuseUnfit(bundle: Bundle, target: Target, described: Description | undefined): Promise<void> {
  const [{ knownBoards }, { analyzeBundle }, { overBudget }] = await Promise.all([
    import("../boards/boards.ts"),
    import("../explore/analyze/analysis.ts"),
    import("../explore/analyze/budget.ts"),
  ]);
  const known = target.board ?? knownBoards().find(({ name }) => name === described?.board);
  if (!known) return;
  const { flashBytes } = known.firmware;
  const ramBytes = described ? known.ramBytes - described.memory.heapBytes : known.firmware.ramBytes;
  const board: Board = { ...known, firmware: { flashBytes, ramBytes } };
  const excess = overBudget(analyzeBundle(bundle), board);
  if (excess) throw excess;
}

async function write(
  target: Target,
  talking: TalkingDevice | undefined,
  image: SlotImage,
  { trial = false, confirm }: FlashCommandOptions,
  onProgress: (done: number, total: number) => void,
): Promise<Flashed> {
  const { flashByGdb, flashByProbe, flashFile, flashRemotely } = await import("../boards/flashing.ts");
  switch (target.way) {
    case "file":
      return flashFile(target.board, target.folder, image, !trial);
    case "probe":
      return flashByProbe(target.board, image, !trial, onProgress);
    case "gdb":
      return flashByGdb(target.board, target.running, talking!, image, confirm, onProgress);
    default:
      return flashRemotely(talking!, image, confirm, onProgress);
  }
}

async function dryRun(globals: GlobalOptions, target: Target): Promise<void> {
  const { probeCommands } = await import("../boards/flashing.ts");
  if (target.way !== "probe") {
    throw new HedgeError("usage", "--dry-run shows what a real board's tool does.", "Leave it away for this board.");
  }
  const commands = probeCommands(target.board);
  printResult(globals, commands, () =>
    [
      "What the board has:",
      `  ${commands.read}`,
      "Then the slot that does not run:",
      ...commands.write.map((text) => `  ${text}`),
    ].join("\n"),
  );
}
