/** `hedge board`: boards in an emulator. */
import { spawn } from "node:child_process";
import { open, readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { type Command, Option } from "commander";
import { defaultFolder, VARIANTS, type Variant } from "../boards/state.ts";
import { type ErrorKind, EXIT_CODES, HedgeError } from "../errors.ts";
import { unwritable } from "../files.ts";
import { addDeviceOptions, type DeviceOptions, deviceSettings } from "./device-options.ts";
import { type GlobalOptions, globalOptions, printResult } from "./output.ts";
import { withProgress } from "./progress.ts";
import { untilStopped } from "./signals.ts";

interface StateOption {
  readonly state?: string;
}

interface RunOptions extends StateOption, DeviceOptions {
  readonly variant: Variant;
  readonly firmware?: string;
  readonly icount?: boolean;
  readonly detach?: boolean;
}

/** Milliseconds between looks at whether a detached board is up. */
const LOOK = 50;
/** Of a log, what an error shows. */
const LAST_BYTES = 2_000;
/** How a command that failed says so to people. */
const FAILURE = /^error: (.+)\n {2}(.+)$/m;

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
  registerConfigure(board);
}

function registerRun(board: Command): void {
  const run = board
    .command("run")
    .summary("start a board")
    .description(
      "Starts a board in QEMU with the firmware that `make firmware` built, and shows its log until SIGINT or SIGTERM. Its flash, with the " +
        "models on it, stays in the state folder, and so does the key that it trusts unless --trust names others. Its UART is served on a " +
        "loopback port to any number of programs. Brokers on this machine's loopback are reached as 10.0.2.2.",
    )
    .argument("<board>", "an emulated board (hedge board list)")
    .addOption(new Option("--variant <variant>", "of the firmware").choices(VARIANTS).default("plain"));
  addState(
    addDeviceOptions(run)
      .option("--firmware <elf>", "another program than make firmware built")
      .option("--icount", "count instructions: one takes a nanosecond of the board's time")
      .option("--detach", "go on in the background; hedge board stop ends it")
      .addHelpText("after", "\nExample:\n  hedge board run mps2-an386 --id porch --broker mqtt://127.0.0.1:1883"),
  ).action(async (name: string, options: RunOptions, command: Command) => {
    const globals = globalOptions(command);
    const folder = options.state ?? defaultFolder(options.id ?? name);
    const [{ checkStart, Emulator }, { requireEmulated }, { findBoard }] = await Promise.all([
      import("../boards/emulator.ts"),
      import("../boards/flash-file.ts"),
      import("../boards/boards.ts"),
    ]);
    const { variant, id, firmware, icount } = options;
    const found = requireEmulated(await findBoard(name));
    const device = await deviceSettings(options);
    const settings = { folder, id, variant, firmware, icount, device };
    if (options.detach) {
      await checkStart(found, settings);
      return detach(globals, folder);
    }
    const emulator = await Emulator.start(found, settings);
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
  const { makeFolder, readRunning, statePaths } = await import("../boards/state.ts");
  await makeFolder(folder);
  const { log } = statePaths(folder);
  const output = await open(log, "w").catch((cause) => {
    throw unwritable(log, cause);
  });
  // Its log is for people, whatever this command prints.
  const args = process.argv.slice(1).filter((word) => word !== "--detach" && word !== "--json");
  const child = spawn(process.execPath, args, { detached: true, stdio: ["ignore", output.fd, output.fd] });
  await output.close();
  for (;;) {
    const running = await readRunning(folder);
    if (running && running.pid === child.pid) {
      const { id, uart } = running;
      child.unref();
      return printResult(globals, { running, folder, log }, () => `${id} runs: ${uart}, log in ${log}`);
    }
    if (child.exitCode !== null || child.signalCode !== null)
      throw failure(await readFile(log, "utf8"), child.exitCode);
    await sleep(LOOK);
  }
}

/** Of a board that did not start: what it said itself. */
function failure(log: string, exitCode: number | null): HedgeError {
  const kind = (Object.keys(EXIT_CODES) as ErrorKind[]).find((name) => EXIT_CODES[name] === exitCode);
  const [, sentence, remedy] = FAILURE.exec(log) ?? [];
  if (kind !== undefined && sentence !== undefined) return new HedgeError(kind, sentence, remedy!);
  const said = log.slice(-LAST_BYTES).trim().replace(/\s+/g, " ");
  return new HedgeError("input", `The board did not start: ${said || "it said nothing"}`, "Start it without --detach.");
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

interface ConfigureOptions extends DeviceOptions {
  readonly time: string;
  readonly dryRun?: boolean;
}

function registerConfigure(board: Command): void {
  const configure = board
    .command("configure")
    .summary("tell a real board who it is")
    .description(
      "Writes the configuration of a real board into its flash by the tool that its file names: its name, its broker, and whose models it takes; " +
        "and random bytes where it has no generator. Emulated boards are told by hedge board run.",
    )
    .argument("<board>", "a board whose file names openocd, esptool or picotool");
  addDeviceOptions(configure)
    .option("--time <host>", "server of the time of day (SNTP), of a board on a network", "pool.ntp.org")
    .option("--dry-run", "show the command lines, and run none")
    .addHelpText(
      "after",
      "\nExample:\n  hedge board configure nrf52840-dk --id porch --transport uart --trust signer.pub.pem",
    )
    .action(async (name: string, options: ConfigureOptions, command: Command) => {
      const [
        { configureByProbe, configureCommands },
        { findBoard },
        { requireProbed },
        { deviceConfig },
        { checkConfig },
      ] = await Promise.all([
        import("../boards/flashing.ts"),
        import("../boards/boards.ts"),
        import("../boards/probes.ts"),
        import("../boards/provision.ts"),
        import("../slot/device-config.ts"),
      ]);
      const globals = globalOptions(command);
      const found = requireProbed(await findBoard(name));
      if (!options.trust) {
        throw new HedgeError("usage", `Nothing says whose models ${name} takes.`, "Give --trust signer.pub.pem.");
      }
      const { id = name, time, transport = "mqtt" } = options;
      const settings = { ...(await deviceSettings(options)), transport };
      const config = checkConfig(
        deviceConfig(id, settings, { timeServer: time, timePort: SNTP_PORT }),
        `The configuration of ${name}`,
      );
      if (options.dryRun) {
        const commands = configureCommands(found);
        return printResult(globals, commands, () => commands.join("\n"));
      }
      await withProgress(globals, async (progress) => {
        progress.update(`writing by ${found.probe.tool}`);
        await configureByProbe(found, config);
      });
      printResult(globals, { configured: name, id }, () => `${name} is ${id}`);
    });
}

const SNTP_PORT = 123;

function addState(command: Command): Command {
  return command.option("--state <folder>", "its state folder (default: .hedge/NAME)");
}
