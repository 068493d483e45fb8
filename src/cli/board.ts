/** `hedge board`: boards in an emulator. */
import { spawn } from "node:child_process";
import { mkdir, open, readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { type Command, Option } from "commander";
import type { DeviceSettings } from "../boards/provision.ts";
import { defaultFolder, VARIANTS, type Variant } from "../boards/state.ts";
import { HedgeError } from "../errors.ts";
import { DEFAULT_BROKER } from "./options.ts";
import { type GlobalOptions, globalOptions, printResult } from "./output.ts";
import { untilStopped } from "./signals.ts";

interface StateOption {
  readonly state?: string;
}

interface RunOptions extends StateOption {
  readonly variant: Variant;
  readonly id?: string;
  readonly transport?: "mqtt" | "uart";
  readonly broker: string;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly trust?: string[];
  readonly firmware?: string;
  readonly icount?: boolean;
  readonly detach?: boolean;
}

/** Milliseconds between looks at whether a detached board is up. */
const LOOK = 50;
/** Of a log, what an error shows. */
const LAST_BYTES = 2_000;

export function register(program: Command): void {
  const board = program
    .command("board")
    .summary("run boards in an emulator")
    .description("Runs the firmware on boards that QEMU shows, each with its flash in a file of its own.");
  registerRun(board);
  registerList(board);
  registerStatus(board);
  registerStop(board);
  registerReset(board);
}

function registerRun(board: Command): void {
  addState(
    board
      .command("run")
      .summary("start a board")
      .description(
        "Starts a board in QEMU with the firmware that `make firmware` built, and shows its log until SIGINT or SIGTERM. Its flash, with the " +
          "models on it, stays in the state folder, and so does the key that it trusts unless --trust names others. Its UART is served on a " +
          "loopback port to any number of programs. Brokers on this machine's loopback are reached as 10.0.2.2.",
      )
      .argument("<board>", "an emulated board (hedge board list)")
      .addOption(new Option("--variant <variant>", "of the firmware").choices(VARIANTS).default("plain"))
      .option("--id <name>", "the device's name (default: the board's)")
      .addOption(new Option("--transport <way>", "to the cloud (default: mqtt where it can)").choices(["mqtt", "uart"]))
      .option("-b, --broker <url>", "the MQTT broker; mqtts:// for TLS", DEFAULT_BROKER)
      .option("--ca <file>", "certificate of the authority that signed the broker's (PEM); needed for TLS")
      .option("--cert <file>", "the device's own certificate (PEM)")
      .option("--key <file>", "its private key (PEM)")
      .option("--trust <files...>", "at most two public keys whose models it takes (hedge keys)")
      .option("--firmware <elf>", "another program than make firmware built")
      .option("--icount", "count instructions: one takes a nanosecond of the board's time")
      .option("--detach", "go on in the background; hedge board stop ends it")
      .addHelpText("after", "\nExample:\n  hedge board run mps2-an386 --id porch --broker mqtt://127.0.0.1:1883"),
  ).action(async (name: string, options: RunOptions, command: Command) => {
    const globals = globalOptions(command);
    const folder = options.state ?? defaultFolder(options.id ?? name);
    if (options.detach) return detach(globals, folder);
    const [{ Emulator }, { requireEmulated }, { findBoard }] = await Promise.all([
      import("../boards/emulator.ts"),
      import("../boards/flash-file.ts"),
      import("../boards/boards.ts"),
    ]);
    const { variant, id, firmware, icount } = options;
    const found = requireEmulated(await findBoard(name));
    const device = await deviceSettings(options);
    const emulator = await Emulator.start(found, { folder, id, variant, firmware, icount, device });
    const stopped = untilStopped();
    const { running } = emulator;
    printResult(
      globals,
      { running, folder },
      () => `${running.id} (${running.board}) runs: ${running.uart}, ${folder}`,
    );
    if (!globals.quiet) emulator.log.follow((line) => printResult(globals, { log: line }, () => line));
    const complaint = await Promise.race([emulator.ended, stopped]);
    // Whoever stopped it from elsewhere wanted that.
    if (complaint)
      throw new HedgeError("check", `QEMU ended: ${complaint}.`, "See the board's log for what led there.");
    await emulator.stop();
  });
}

/** The same command again as a process of its own; resolves once its board runs. */
async function detach(globals: GlobalOptions, folder: string): Promise<void> {
  const { readRunning, statePaths } = await import("../boards/state.ts");
  await mkdir(folder, { recursive: true });
  const { log } = statePaths(folder);
  const output = await open(log, "w");
  const args = process.argv.slice(1).filter((word) => word !== "--detach");
  const child = spawn(process.execPath, args, { detached: true, stdio: ["ignore", output.fd, output.fd] });
  await output.close();
  for (;;) {
    const running = await readRunning(folder);
    if (running && running.pid === child.pid) {
      const { id, uart } = running;
      child.unref();
      return printResult(globals, { running, folder, log }, () => `${id} runs: ${uart}, log in ${log}`);
    }
    if (child.exitCode !== null) {
      const said = (await readFile(log, "latin1")).slice(-LAST_BYTES).trim().replace(/\s+/g, " ");
      throw new HedgeError("input", `The board did not start: ${said}`, "Start it without --detach to see more.");
    }
    await sleep(LOOK);
  }
}

function registerList(board: Command): void {
  board
    .command("list")
    .summary("list the boards that can be run, and those that do")
    .description("Lists the emulated boards, and the state folders in .hedge whose board runs.")
    .addHelpText("after", "\nExample:\n  hedge board list")
    .action(async (_options: unknown, command: Command) => {
      const [{ knownBoards }, { isEmulated }, { runningBoards }] = await Promise.all([
        import("../boards/boards.ts"),
        import("../boards/flash-file.ts"),
        import("../boards/state.ts"),
      ]);
      const boards = knownBoards().filter(isEmulated);
      const running = await runningBoards();
      printResult(globalOptions(command), { boards, running }, () =>
        [
          ...boards.map(({ name, title }) => `${name.padEnd(18)} ${title}`),
          ...running.map(({ id, board, uart }) => `running: ${id} (${board}) ${uart}`),
        ].join("\n"),
      );
    });
}

function registerStatus(board: Command): void {
  addState(
    board
      .command("status")
      .summary("what a running board does")
      .description("Asks the device on a running board what it runs, and what it counted.")
      .argument("<name>", "the board's --id, or the board")
      .addHelpText("after", "\nExample:\n  hedge board status mps2-an386"),
  ).action(async (name: string, { state = defaultFolder(name) }: StateOption, command: Command) => {
    const [{ requireRunning }, { RemoteDevice }, { descriptionText }] = await Promise.all([
      import("../boards/emulator.ts"),
      import("../remote/remote-device.ts"),
      import("./description-text.ts"),
    ]);
    const running = await requireRunning(state);
    const device = await RemoteDevice.overLink(running.uart);
    try {
      const description = await device.describe();
      printResult(globalOptions(command), { running, description }, () => descriptionText(running, description));
    } finally {
      await device.close();
    }
  });
}

function registerStop(board: Command): void {
  addState(
    board
      .command("stop")
      .summary("end a board, as if its power was cut")
      .description("Ends a running board. Its flash stays as it is: started again, the board goes on with its model.")
      .argument("<name>", "the board's --id, or the board")
      .addHelpText("after", "\nExample:\n  hedge board stop mps2-an386"),
  ).action(async (name: string, { state = defaultFolder(name) }: StateOption, command: Command) => {
    const { requireRunning, stopBoard } = await import("../boards/emulator.ts");
    await requireRunning(state);
    await stopBoard(state);
    printResult(globalOptions(command), { stopped: name }, () => `${name} is stopped`);
  });
}

function registerReset(board: Command): void {
  addState(
    board
      .command("reset")
      .summary("start a board again, as its reset button does")
      .description("Resets a running board; its flash stays.")
      .argument("<name>", "the board's --id, or the board")
      .addHelpText("after", "\nExample:\n  hedge board reset mps2-an386"),
  ).action(async (name: string, { state = defaultFolder(name) }: StateOption, command: Command) => {
    const { requireRunning, resetBoard } = await import("../boards/emulator.ts");
    await resetBoard(await requireRunning(state));
    printResult(globalOptions(command), { reset: name }, () => `${name} starts again`);
  });
}

function addState(command: Command): Command {
  return command.option("--state <folder>", "its state folder (default: .hedge/NAME)");
}

async function deviceSettings(options: RunOptions): Promise<DeviceSettings> {
  const { transport, broker, ca, cert, key, trust } = options;
  const [{ readCertificate, readPrivateKey }, { readPublicKey }] = await Promise.all([
    import("../boards/pem.ts"),
    import("../slot/keys.ts"),
  ]);
  return {
    transport,
    broker,
    ca: ca === undefined ? undefined : await readCertificate(ca),
    certificate: cert === undefined ? undefined : await readCertificate(cert),
    key: key === undefined ? undefined : await readPrivateKey(key),
    signers:
      trust && (await Promise.all(trust.map(async (file) => Uint8Array.from((await readPublicKey(file)).point)))),
  };
}
