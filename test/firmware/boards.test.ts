/** What each board provides, tried in QEMU by firmware-wasm/test/board_test.c over the UART. */
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface, type Interface } from "node:readline";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { findBoard } from "../../src/boards/boards.ts";
import { Emulator } from "../../src/boards/emulator.ts";
import { type EmulatedBoard, requireEmulated } from "../../src/boards/flash-file.ts";

const FIRMWARE = join(import.meta.dirname, "../../firmware-wasm");
const BUILD = join(FIRMWARE, "../build/test-firmware");
const CAUSES = { powerOn: 0, software: 1, watchdog: 2, fault: 3 } as const;
/** Of a Cortex-M's MPS2 board: what nothing but the linker script makes so small. */
const BUDGET = 128 * 1024;

const run = promisify(execFile);

/** Of a line "NAME=NUMBER NAME=NUMBER". */
type Values = Readonly<Record<string, number>>;

/** The program on a board, which answers a letter by a line. */
class Bench {
  readonly #lines: AsyncIterator<string>;

  private constructor(
    readonly emulator: Emulator,
    readonly socket: Socket,
    readonly reader: Interface,
  ) {
    this.#lines = reader[Symbol.asyncIterator]();
  }

  static async start(board: EmulatedBoard, firmware: string, folder: string): Promise<Bench> {
    const emulator = await Emulator.start(board, { folder, firmware });
    const [, host, port] = /^tcp:(.*):(\d+)$/.exec(emulator.uart)!;
    const socket = connect(Number(port), host);
    const bench = new Bench(emulator, socket, createInterface(socket));
    // Nobody heard its first line, perhaps, and a UART that is not set up yet loses what comes: asked until it answers, then to the last answer.
    const asking = setInterval(() => socket.write("?\0"), 100);
    await bench.line();
    clearInterval(asking);
    socket.write("n\0");
    while (!("byte" in (await bench.line()))) {}
    return bench;
  }

  async line(): Promise<Values> {
    const { value } = await this.#lines.next();
    return Object.fromEntries(
      [...(value as string).matchAll(/(\w+)=(\d+)/g)].map(([, name, digits]) => [name!, Number(digits)]),
    );
  }

  async ask(letter: string, data: Uint8Array = new Uint8Array()): Promise<Values> {
    this.socket.write(Buffer.concat([Buffer.from(letter), data, Buffer.of(0)]));
    return this.line();
  }

  async stop(): Promise<void> {
    this.socket.destroy();
    await this.emulator.stop();
  }
}

describe.each(["mps2-an386", "mps2-an385", "mps2-an505", "riscv-virt"])("%s", (name) => {
  const folder = mkdtempSync(join(tmpdir(), "hedge-board-"));
  let board: EmulatedBoard;
  let firmware: string;
  let bench: Bench;

  beforeAll(async () => {
    await run("make", ["-C", FIRMWARE, `BOARD=${name}`, `BUILD=${BUILD}`, "board-test"]);
    board = requireEmulated(await findBoard(name));
    firmware = join(BUILD, name, "board-test.elf");
    bench = await Bench.start(board, firmware, folder);
  });
  afterAll(async () => {
    await bench?.stop();
    await rm(folder, { recursive: true });
  });

  it("tells of its RAM", async () => {
    const { cause, stack_peak: peak, stack, statics, ram } = await bench.ask("?");
    expect(cause).toBe(CAUSES.powerOn);
    expect(ram).toBe(BUDGET);
    expect(peak).toBeGreaterThan(100);
    expect(peak).toBeLessThan(stack!);
    expect(stack! + statics!).toBeLessThanOrEqual(ram!);
  });

  it("counts milliseconds and microseconds alike, also asleep", async () => {
    const { least, millis, most } = await bench.ask("c");
    expect(millis).toBeGreaterThanOrEqual(1000);
    expect(least! / 1000 - 1).toBeLessThan(millis!);
    expect(most! / 1000 + 1).toBeGreaterThan(millis!);
  });

  // A sample's frame, and more than any ring: an emulated line waits then, and has to go on.
  it.each([3200, 20_000])("loses none of %i bytes that come over the UART while it is busy", async (length) => {
    const bytes = randomBytes(length).map((byte) => byte || 1);
    const { count, sum } = await bench.ask("b", bytes);
    // The zero that ends the question is one of them.
    expect(count).toBe(bytes.length + 1);
    expect(sum).toBe(bytes.reduce((a, b) => a + b));
  });

  it("has flash that is 0xFF where it was erased, and keeps what was programmed", async () => {
    expect(await bench.ask("p")).toEqual({ good: 1, word: 0x3300550f, behind: 0xff });
  });

  it("gives other random bytes each time", async () => {
    expect(await bench.ask("n")).not.toEqual(await bench.ask("n"));
  });

  it("knows why it started, and its flash outlives resets", async () => {
    expect(await bench.ask("r")).toMatchObject({ cause: CAUSES.software, fault: 0, word: 0x3300550f });

    const fed = await bench.ask("w");
    expect(fed).toEqual({});
    const bitten = await bench.line();
    expect(bitten).toMatchObject({ cause: CAUSES.watchdog, word: 0x3300550f });
    expect(bitten.fault).toBeGreaterThan(0);

    const faulted = await bench.ask("f");
    expect(faulted).toMatchObject({ cause: CAUSES.fault, word: 0x3300550f });
    expect(faulted.fault).not.toBe(bitten.fault);
    expect(await bench.ask("o")).toMatchObject({ cause: CAUSES.fault, word: 0x3300550f });

    await bench.emulator.reset();
    expect(await bench.line()).toMatchObject({ cause: CAUSES.powerOn, word: 0x3300550f });
  });

  it("keeps its flash when it is off", async () => {
    await bench.stop();
    bench = await Bench.start(board, firmware, folder);
    expect(await bench.ask("?")).toMatchObject({ cause: CAUSES.powerOn, word: 0x3300550f });
  });

  it("talks over Ethernet where it has one, and sees the cable go and come", async ({ skip }) => {
    if (board.emulator.ethernet === undefined) return skip();
    expect(await bench.ask("e", Buffer.of(10, 0, 2, 2))).toEqual({ there: 1, answers: 20 });
    await bench.emulator.linkDown();
    expect(await bench.ask("l")).toEqual({ link: 0 });
    await bench.emulator.linkUp();
    expect(await bench.ask("l")).toEqual({ link: 1 });
  });
});
