/** `hedge flash` and `hedge board` on a real board in QEMU: each way in, what is refused, and what the device makes of a model that is no good. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { findBoard } from "../../src/boards/boards.ts";
import { Emulator } from "../../src/boards/emulator.ts";
import { type EmulatedBoard, readArea, requireEmulated } from "../../src/boards/flash-file.ts";
import { GdbClient } from "../../src/boards/gdb.ts";
import { developmentKey } from "../../src/boards/provision.ts";
import { modelsIn } from "../../src/boards/slot-area.ts";
import { statePaths } from "../../src/boards/state.ts";
import type { Bundle } from "../../src/bundle/bundle.ts";
import { createBundle } from "../../src/bundle/bundle.ts";
import { compileFile } from "../../src/bundle/compile.ts";
import { writeBundle } from "../../src/bundle/write.ts";
import { EXIT_CODES } from "../../src/errors.ts";
import { RemoteDevice } from "../../src/remote/remote-device.ts";
import { createImage } from "../../src/slot/image.ts";
import { generateKey, writeKey } from "../../src/slot/keys.ts";
import { buildBoards } from "../support/board-firmware.ts";
import { startMosquitto, type TestBroker } from "../support/brokers.ts";
import { hedge, type Outcome } from "../support/in-process.ts";
import { assemble, TINY_WEIGHTS, tinyBundle, tinyDraft } from "../support/tiny-bundle.ts";

const BOARD = "mps2-an386";
let parent: string;
let board: EmulatedBoard;
let broker: TestBroker;
/** Folders of bundles. */
let tiny: string;
let shipped: string;
let shippedBundle: Bundle;

beforeAll(async () => {
  await buildBoards([BOARD]);
  parent = await mkdtemp(join(tmpdir(), "hedge-flash-"));
  board = requireEmulated(await findBoard(BOARD));
  broker = await startMosquitto();
  [tiny, shipped] = [join(parent, "tiny"), join(parent, "shipped")];
  await writeBundle(tiny, await tinyBundle());
  shippedBundle = (await compileFile("models/resnet20-12e6c-2bit/model.onnx", {})).bundle;
  await writeBundle(shipped, shippedBundle);
});
afterAll(async () => {
  await broker?.close();
  await rm(parent, { recursive: true, force: true });
});

let folders = 0;

/** A board that runs, with the tiny model of counter 10. */
async function withBoard(
  work: (emulator: Emulator, flash: (model: string, ...args: string[]) => Promise<Outcome>) => Promise<void>,
): Promise<void> {
  const folder = join(parent, `board-${folders++}`);
  const flash = (model: string, ...args: string[]) =>
    hedge("flash", model, "--board", BOARD, "--state", folder, "--json", ...args);
  expect(await flash(tiny, "--counter", "10")).toMatchObject({ code: 0 });
  const device = { transport: "mqtt", broker: broker.url } as const;
  const emulator = await Emulator.start(board, { folder, id: `board-${folders}`, device });
  try {
    await work(emulator, flash);
  } finally {
    await emulator.stop();
  }
}

async function runs(emulator: Emulator): Promise<readonly [name: string, counter: number, trial: boolean] | undefined> {
  const device = await RemoteDevice.overLink(emulator.uart);
  try {
    const { model } = await device.describe();
    return model && [model.name, model.counter, model.trial];
  } finally {
    await device.close();
  }
}

function expectRefusal({ code, out, err }: Outcome, exit: number, sentence: RegExp): void {
  expect([code, out]).toEqual([exit, ""]);
  expect((JSON.parse(err) as { error: { message: string } }).error.message).toMatch(sentence);
}

describe("a stopped board", () => {
  it("gets models into its flash file, each into the slot that does not run, and starts with the newest", async () => {
    const folder = join(parent, "stopped");
    const flash = (...args: string[]) => hedge("flash", tiny, "--board", BOARD, "--state", folder, "--json", ...args);
    for (const [counter, slot] of [
      [1, 0],
      [2, 1],
      [3, 0],
    ]) {
      const { code, out } = await flash("--counter", `${counter}`);
      expect([code, JSON.parse(out)]).toMatchObject([0, { via: "file", slot, counter, state: "confirmed" }]);
    }
    const emulator = await Emulator.start(board, { folder, device: { transport: "uart" } });
    try {
      expect(await runs(emulator)).toEqual(["tiny", 3, false]);
      expectRefusal(await flash("--via", "file"), EXIT_CODES.usage, /runs\.$/);
      expectRefusal(await flash("--trial"), EXIT_CODES.usage, /^--via uart has no --trial\.$/);
    } finally {
      await emulator.stop();
    }
  });

  it("tries a model at its next start with --trial, and goes back to the one before at the start after that", async () => {
    const folder = join(parent, "tried");
    const flash = (...args: string[]) => hedge("flash", tiny, "--board", BOARD, "--state", folder, ...args);
    expect((await flash("--counter", "1")).code).toBe(0);
    expect((await flash("--counter", "2", "--trial")).code).toBe(0);
    for (const expected of [
      ["tiny", 2, true],
      ["tiny", 1, false],
    ]) {
      const emulator = await Emulator.start(board, { folder, device: { transport: "uart" } });
      expect(await runs(emulator)).toEqual(expected);
      await emulator.stop();
    }
  });
});

describe("a running board", () => {
  it.each(["uart", "mqtt", "gdb"])("takes a model via %s, tries it and confirms it", async (via) => {
    await withBoard(async (emulator, flash) => {
      const { code, out, err } = await flash(shipped, "--via", via, "--broker", broker.url);
      expect([code, err]).toEqual([0, ""]);
      const { digest } = shippedBundle;
      expect(JSON.parse(out)).toMatchObject({ via, slot: 1, state: "confirmed", digest, device: emulator.running.id });
      await emulator.reset();
      expect(await runs(emulator)).toMatchObject([shippedBundle.manifest.name, JSON.parse(out).counter, false]);
    });
  });

  it("goes on with an update where a reset broke it off", async () => {
    await withBoard(async (emulator, flash) => {
      const image = createImage(shippedBundle, await developmentKey(statePaths(emulator.folder).signer), 11);
      const device = await RemoteDevice.overLink(emulator.uart);
      const broken = Math.floor(image.bytes.length / 2);
      const written: number[] = [];
      let reset: Promise<void> | undefined;
      await device.update(image.bytes, (done) => {
        written.push(done);
        if (done > broken) reset ??= emulator.reset();
      });
      await reset;
      await device.close();
      await emulator.log.until(/ on mps2-an386, firmware /, 1);
      // What was there before the reset was not sent again, but for the chunk that the reset met.
      const again = written.filter((done, i) => done <= Math.max(0, ...written.slice(0, i)));
      expect(again.length).toBeLessThanOrEqual(1);
      expect(Math.min(...again)).toBeGreaterThan(broken - 2_048);
      // The same image again: nothing is left to be sent, and it is installed.
      const file = join(parent, "slot.bin");
      await writeFile(file, image.bytes);
      const { code, out } = await flash(file);
      expect([code, JSON.parse(out)]).toMatchObject([0, { counter: 11, state: "confirmed" }]);
    });
  });

  it("leaves a model on trial when it is not to confirm it", async () => {
    await withBoard(async (emulator, flash) => {
      const { code, out } = await flash(tiny, "--counter", "11", "--no-confirm");
      expect([code, JSON.parse(out)]).toMatchObject([0, { state: "trial" }]);
      expect(await runs(emulator)).toEqual(["tiny", 11, true]);
      await emulator.reset();
      await emulator.log.until(/given up/);
      expect(await runs(emulator)).toEqual(["tiny", 10, false]);
    });
  });

  it("runs again after a reset when a debugger halted it and went away", async () => {
    await withBoard(async (emulator) => {
      (await GdbClient.connect(emulator.running.gdb)).close();
      await emulator.reset();
      expect(await runs(emulator)).toEqual(["tiny", 10, false]);
    });
  });

  it("leaves a model on trial to hedge trial, which confirms it or gives it up", async () => {
    await withBoard(async (emulator, flash) => {
      const trial = (verdict: string) =>
        hedge("trial", verdict, "--board", BOARD, "--state", emulator.folder, "--json");
      expect((await flash(tiny, "--counter", "11", "--no-confirm")).code).toBe(0);
      const { code, out } = await trial("confirm");
      expect([code, JSON.parse(out)]).toMatchObject([0, { device: emulator.running.id, model: "tiny", counter: 11 }]);
      expect(await runs(emulator)).toEqual(["tiny", 11, false]);
      expect((await flash(tiny, "--counter", "12", "--no-confirm")).code).toBe(0);
      const starts = emulator.log.lines.length;
      expect((await trial("revert")).code).toBe(0);
      await emulator.log.until(/^started /, starts);
      expect(await runs(emulator)).toEqual(["tiny", 11, false]);
      expectRefusal(await trial("confirm"), EXIT_CODES.input, /has no model on trial/);
    });
  });

  it.each([
    ["traps", "uart", "(unreachable)", /trapped/],
    ["traps", "mqtt", "(unreachable)", /trapped/],
    ["traps", "gdb", "(unreachable)", /trapped/],
    ["hangs", "uart", "(loop (br 0)) (unreachable)", /it hung until the watchdog ended it/],
  ])("gives up a model that %s, and says so via %s", async (_, via, body, reason) => {
    const step = `(func (export "step") (param i32) (result i32) ${body})`;
    const bundle = await tinyBundle({ edgeWasm: assemble(`(module (memory (export "memory") 1 1) ${step})`) });
    await withBoard(async (emulator, flash) => {
      const bad = join(parent, "bad.bin");
      const key = await developmentKey(statePaths(emulator.folder).signer);
      await writeFile(bad, createImage(bundle, key, 11).bytes);
      const outcome = await flash(bad, "--via", via, "--broker", broker.url);
      expectRefusal(outcome, EXIT_CODES.check, /gave the new model up: .*; it runs tiny \(counter 10\) again/);
      expect(outcome.err).toMatch(reason);
      expect(await runs(emulator)).toEqual(["tiny", 10, false]);
    });
  });
});

describe("refused as it is written:", () => {
  it.each([
    ["nothing named", [], /^Nothing says what is to be flashed\.$/],
    ["two devices named", ["--link", "tcp:127.0.0.1:1", "--device", "porch"], /named twice/],
    ["a board that nothing writes", ["--board", "lm3s6965evb"], /is not emulated, and its file names no tool/],
    ["a line without a key, before the line is opened", ["--link", "tcp:127.0.0.1:1"], /which key signs/],
    [
      "a stopped board's model left unconfirmed",
      ["--board", BOARD, "--no-confirm"],
      /^--via file has no --no-confirm\.$/,
    ],
  ])("%s", async (_, args, sentence) => {
    expectRefusal(await hedge("flash", tiny, "--json", ...args), EXIT_CODES.usage, sentence);
  });
});

describe("refused, with the reason, and before anything is written:", () => {
  const ways = ["file", "uart", "mqtt", "gdb"] as const;

  /** Flashes by each way in turn, and sees that the flash stays as it was. */
  async function expectRefused(model: string, sentence: RegExp, ...args: string[]): Promise<void> {
    await withBoard(async (emulator, flash) => {
      for (const via of ways.slice(1)) {
        const outcome = await flash(model, "--via", via, "--broker", broker.url, ...args);
        expectRefusal(outcome, EXIT_CODES.input, sentence);
        expect(await runs(emulator)).toEqual(["tiny", 10, false]);
      }
      await emulator.stop();
      expectRefusal(await flash(model, "--via", "file", ...args), EXIT_CODES.input, sentence);
      const models = modelsIn(await readArea(statePaths(emulator.folder).flash, board), board.slots);
      expect(models.map(({ header }) => header.counter)).toEqual([10]);
    });
  }

  it("a foreign key", async () => {
    const key = join(parent, "foreign.pem");
    await writeKey(key, generateKey(), true);
    await expectRefused(tiny, /unknown key|not trusted/, "--key", key);
  });

  it("a counter that is not above the confirmed model's", async () => {
    await expectRefused(tiny, /counter/, "--counter", "10");
  });

  it.each([
    ["a flipped bit", (bytes: Buffer) => bytes.fill(bytes.at(-1)! ^ 1, bytes.length - 1), /altered/],
    ["a truncated file", (bytes: Buffer) => bytes.subarray(0, -8), /bytes behind its header/],
    ["a file that is no image", () => Buffer.from("nothing"), /no image/],
  ])("%s", async (_, damage, sentence) => {
    const file = join(parent, "damaged.bin");
    await writeFile(file, damage(Buffer.from(createImage(shippedBundle, generateKey(), 11).bytes)));
    await expectRefused(file, sentence);
  });

  it("a model over the board's RAM", async () => {
    const draft = tinyDraft();
    const layer = { name: "big", kind: "conv", outputShape: [1], weightBits: 1, activationBits: 1 };
    const costs = { macs: 1, weightBytes: 1, activationBytes: 60_000, steps: 1 };
    const large = await createBundle(
      { ...draft, module: { ...draft.module, memoryBytes: 60_000 }, layers: [{ ...layer, ...costs }] },
      { edgeWasm: (await tinyBundle()).edgeWasm, weights: Uint8Array.from(TINY_WEIGHTS), cloudOnnx: Uint8Array.of(1) },
    );
    const folder = join(parent, "large");
    await writeBundle(folder, large);
    await withBoard(async (emulator, flash) => {
      const sentence = /needs \d+ bytes of RAM on mps2-an386, which has \d+ left/;
      for (const via of ["uart", "gdb"]) expectRefusal(await flash(folder, "--via", via), EXIT_CODES.check, sentence);
      const before = await readFile(statePaths(emulator.folder).flash);
      await emulator.stop();
      expectRefusal(await flash(folder), EXIT_CODES.check, sentence);
      expect((await readFile(statePaths(emulator.folder).flash)).equals(before)).toBe(true);
    });
  });
});
