/** QEMU as a process: its command line for a board, and its end. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { HedgeError } from "../errors.ts";
import type { EmulatedBoard } from "./flash-file.ts";
import { isListening } from "./qmp.ts";

/** Of its messages, the end is kept. */
const LONGEST_COMPLAINT = 2_000;
/** Milliseconds between looks at whether it is up. */
const LOOK = 20;
const MISSING = "it is not installed";
/** Exit code of who was to start a program that is not there. */
const NOT_FOUND = 127;

export interface QemuOptions {
  /** Of the state: flash.bin is in it, and sockets come to lie there. An absolute path. */
  readonly folder: string;
  /** An absolute path. */
  readonly firmware: string;
  /** Where the board's UART is awaited, on the loopback. */
  readonly uartPort: number;
  /** By which the Ethernet's link is called in QMP. */
  readonly network: string;
  readonly icount?: boolean;
}

/** A board that waits for the word to go on (QMP: cont). */
export class Qemu {
  /** Resolves once it is gone: to what it complained of, or nothing. */
  readonly ended: Promise<string>;
  readonly #program: string;
  readonly #child: ChildProcess;
  #isGone = false;

  constructor(board: EmulatedBoard, options: QemuOptions) {
    this.#program = board.emulator.qemu;
    const command = [this.#program, ...qemuArguments(board, options)];
    // Whatever ends this process, QEMU does not outlive it.
    const [first, ...rest] = process.platform === "linux" ? ["setpriv", "--pdeathsig", "KILL", ...command] : command;
    // Paths of its files are relative, so that none is too long or holds a comma.
    const child = spawn(first!, rest, { cwd: options.folder, stdio: ["ignore", "ignore", "pipe"] });
    let text = "";
    child.stderr.setEncoding("utf8").on("data", (piece: string) => {
      text = (text + piece).slice(-LONGEST_COMPLAINT);
    });
    this.#child = child;
    this.ended = once(child, "close")
      .then(
        ([code]) => (code === NOT_FOUND ? MISSING : text.trim()),
        (error: NodeJS.ErrnoException) => (error.code === "ENOENT" ? MISSING : error.message),
      )
      .finally(() => {
        this.#isGone = true;
      });
  }

  /** @throws HedgeError (input) with what it said when it ends instead */
  async untilListening(socket: string): Promise<void> {
    while (!(await isListening(socket))) {
      if (this.#isGone) throw this.#failure(await this.ended);
      await sleep(LOOK);
    }
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }

  #failure(complaint: string): HedgeError {
    const remedy =
      complaint === MISSING
        ? `Install it: apt-get install ${this.#program.replace("riscv32", "misc")}.`
        : "See what it says, and the board's file in src/boards.";
    return new HedgeError("input", `${this.#program} does not run: ${complaint || "it said nothing"}.`, remedy);
  }
}

function qemuArguments(board: EmulatedBoard, { firmware, uartPort, network, icount }: QemuOptions): string[] {
  const { machine, arguments: own, program, ethernet, flash } = board.emulator;
  const memory = `memory-backend-file,id=flash,mem-path=flash.bin,size=${flash.bytes},share=on`;
  const socket = (id: string, where: string): string[] => ["-chardev", `socket,id=${id},${where}`];
  return [
    ...(flash.kind === "ram"
      ? ["-machine", `${machine},memory-backend=flash`, "-object", memory]
      : ["-machine", machine, "-drive", "if=pflash,unit=1,format=raw,file=flash.bin"]),
    ...own,
    ...(program === "kernel"
      ? ["-kernel", firmware]
      : ["-device", `loader,file=${firmware.replaceAll(",", ",,")},cpu-num=0`]),
    ...["-S", "-nodefaults", "-display", "none"],
    ...socket("uart", `host=127.0.0.1,port=${uartPort},nodelay=on`),
    ...["-serial", "chardev:uart"],
    ...socket("qmp", "path=qmp.sock,server=on,wait=off"),
    ...["-mon", "chardev=qmp,mode=control"],
    ...socket("gdb", "path=gdb.sock,server=on,wait=off"),
    ...["-gdb", "chardev:gdb"],
    ...["-nic", ethernet === undefined ? "none" : `user,id=${network},model=${ethernet},ipv6=off`],
    ...(icount ? ["-icount", "shift=0"] : []),
  ];
}
