/**
 * The whole firmware as a process under ASan and UBSan, at the end of a link on which anything comes: noise, torn and damaged frames, frames of junk,
 * mutated commands and results, floods of samples, restarts. It answers in between, its counts add up, and nothing is reported.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { expect, it } from "vitest";
import { areaBytes, findBoard } from "../../src/boards/boards.ts";
import { requireEmulated } from "../../src/boards/flash-file.ts";
import { writeConfig } from "../../src/boards/provision.ts";
import { slotBytes } from "../../src/boards/slot-area.ts";
import { unaccounted } from "../../src/explore/firmware/faults.ts";
import { encodeLinkFrame, LINK_CHANNELS, LinkDecoder, type LinkFrame } from "../../src/link/codec.ts";
import { createImage } from "../../src/slot/image.ts";
import { generateKey, type SigningKey } from "../../src/slot/keys.ts";
import {
  type Description,
  decodeAnswer,
  decodeDescription,
  decodeEvent,
  encodeCommand,
  OPERATIONS,
} from "../../src/wire/device-frames.ts";
import { FRAME_TYPES } from "../../src/wire/fields.ts";
import { decodeOffload, encodeResult, type Offload } from "../../src/wire/frames.ts";
import { startHostBoard } from "../support/firmware.ts";
import { randomFrom } from "../support/random.ts";
import { tinyHybrid } from "../support/tiny-cloud.ts";

const CASES = 4_000;
/** Cases between two looks at the device. */
const BATCH = 20;
/** Milliseconds until it is asked again: what it was asked among noise is lost with that. */
const ASK_AGAIN = 50;
const UINT32 = 2 ** 32;

/** The device's flash: as mps2-an386's, with a confirmed model that takes 4 bytes. */
async function writeFlash(path: string, signer: SigningKey): Promise<void> {
  const { slots } = requireEmulated(await findBoard("mps2-an386"));
  const area = Buffer.alloc(areaBytes(slots), 0xff);
  writeConfig(area, slots, {
    id: "fuzzed",
    transport: "uart",
    signers: [signer.point],
    deadlineMs: 100,
    retryFirstMs: 20,
  });
  area.set(slotBytes(createImage(await tinyHybrid(), signer, 1), slots, true), slots.offsets[0]);
  await writeFile(path, area);
}

/** The line, without anything that would mend what goes over it. */
class Line {
  /** The last of what the device offered. */
  offload: Offload | undefined;
  /** What it sent that breaks the schema. */
  readonly flaws: string[] = [];
  #descriptions: Description[] = [];
  #request = 0;
  readonly #decoder = new LinkDecoder();

  constructor(private readonly socket: Socket) {
    socket.on("data", (bytes) => {
      for (const frame of this.#decoder.push(bytes)) this.#take(frame);
    });
  }

  write(bytes: Uint8Array): void {
    this.socket.write(bytes);
  }

  /** Asks until the device answers. */
  async describe(): Promise<Description> {
    this.#request++;
    const frame = encodeLinkFrame(FRAME_TYPES.command, command({ request: this.#request, operation: "describe" }));
    for (;;) {
      // Ends what may be torn before it.
      this.write(Buffer.concat([Buffer.of(0), frame]));
      const again = AbortSignal.timeout(ASK_AGAIN);
      await new Promise<void>((resolve) => {
        const look = (): void => {
          if (!again.aborted && !this.#descriptions.some(({ request }) => request === this.#request)) return;
          this.socket.off("data", look);
          resolve();
        };
        again.addEventListener("abort", look);
        this.socket.on("data", look);
      });
      const found = this.#descriptions.find(({ request }) => request === this.#request);
      this.#descriptions = [];
      if (found) return found;
    }
  }

  close(): void {
    this.socket.destroy();
  }

  #take({ channel, content }: LinkFrame): void {
    try {
      if (channel === FRAME_TYPES.description) this.#descriptions.push(decodeDescription(content));
      if (channel === FRAME_TYPES.offload) this.offload = decodeOffload(content);
      if (channel === FRAME_TYPES.answer) decodeAnswer(content);
      if (channel === FRAME_TYPES.event) decodeEvent(content);
    } catch (error) {
      this.flaws.push((error as Error).message);
    }
  }
}

type CommandFields = Partial<Parameters<typeof encodeCommand>[0]>;
const command = (fields: CommandFields): Uint8Array =>
  encodeCommand({ request: 1, operation: "sample", number: 0, check: 0, data: new Uint8Array(), ...fields });

/** What comes over the line, case by case. */
class Cases {
  readonly #random: () => number;

  constructor(
    seed: number,
    private readonly line: Line,
    private readonly image: Uint8Array,
  ) {
    this.#random = randomFrom(seed);
  }

  next(): Uint8Array {
    const kinds = [
      () => this.#bytes(600),
      () => this.#mutated(encodeLinkFrame(FRAME_TYPES.command, this.#command())),
      () => encodeLinkFrame(this.#below(256), this.#bytes(5_000)),
      () => encodeLinkFrame(FRAME_TYPES.command, this.#mutated(this.#command())),
      () => encodeLinkFrame(FRAME_TYPES.command, this.#command()),
      () => encodeLinkFrame(FRAME_TYPES.command, command({ request: 1, data: this.#exactly(4) })),
      () => encodeLinkFrame(FRAME_TYPES.command, command({ request: 1, data: this.#exactly(4) })),
      () => encodeLinkFrame(LINK_CHANNELS.host, this.#host()),
      () => encodeLinkFrame(FRAME_TYPES.result, this.#result()),
      () => encodeLinkFrame(FRAME_TYPES.result, this.#mutated(this.#result())),
    ];
    return kinds[this.#below(kinds.length)]!();
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  #exactly(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.#below(256));
  }

  #bytes(most: number): Uint8Array {
    return this.#exactly(this.#below(most));
  }

  /** Bytes changed, left out, doubled, or the end cut off. */
  #mutated(bytes: Uint8Array): Uint8Array {
    const at = this.#below(bytes.length);
    const changes = [
      () => bytes.map((byte, i) => (i === at ? this.#below(256) : byte)),
      () => Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + this.#below(8))]),
      () => Buffer.concat([bytes.subarray(0, at), this.#bytes(8), bytes.subarray(at)]),
      () => bytes.subarray(0, at),
    ];
    return changes[this.#below(changes.length)]!();
  }

  /** Good ones; updates, chunks and samples with data that may be right, or nearly. */
  #command(): Uint8Array {
    const operation = OPERATIONS[this.#below(OPERATIONS.length)]!;
    // A restart takes its time.
    if (["restart", "revert", "install"].includes(operation) && this.#random() < 0.8) return this.#command();
    const from = 32 * this.#below(this.image.length / 32);
    const part = this.image.subarray(from, from + 32 * this.#below(40));
    const header = this.image.subarray(0, 256);
    const data = [header, part, this.#mutated(header), this.#bytes(4_000), this.#exactly(4)][this.#below(5)]!;
    const number = [0, 32, Math.max(0, from - 256), this.#below(UINT32)][this.#below(4)]!;
    return command({ request: 1 + this.#below(UINT32 - 1), operation, number, check: this.#below(UINT32), data });
  }

  #host(): Uint8Array {
    const frame = Buffer.alloc(9);
    frame[0] = this.#below(4);
    frame.writeBigUInt64LE(BigInt(Date.now() + this.#below(1_000_000)), 1);
    return this.#random() < 0.8 ? frame : this.#mutated(frame);
  }

  /** To what was offered last, or to nothing. */
  #result(): Uint8Array {
    const { model = "0".repeat(64), session = 0, sample = 0 } = this.line.offload ?? {};
    const state = (["answered", "expired", "refused"] as const)[this.#below(3)]!;
    const label = state === "answered" ? this.#below(5) : 0;
    return encodeResult({ model, session, sample, state, label, confidence: 0, worker: "w", ms: 1 });
  }
}

it(`answers among ${CASES} cases of anything`, async () => {
  const folder = await mkdtemp(join(tmpdir(), "hedge-fuzz-"));
  const signer = generateKey();
  await writeFlash(join(folder, "flash.bin"), signer);
  const board = await startHostBoard(join(folder, "flash.bin"));
  const line = new Line(connect(Number(board.link.split(":").at(-1)), "127.0.0.1"));
  try {
    const first = await line.describe();
    const cases = new Cases(
      Number(process.env.HEDGE_SEED ?? 1),
      line,
      createImage(await tinyHybrid(), signer, 2).bytes,
    );
    let samples = 0;
    let answered = 0;
    let last = first.counts;
    for (let i = 0; i < CASES; i++) {
      line.write(cases.next());
      // What the device offers is there for the next case.
      await setImmediate();
      if (i % BATCH < BATCH - 1) continue;
      const { model, counts } = await line.describe();
      expect(model?.digest).toBe(first.model?.digest);
      expect(unaccounted(counts)).toBeGreaterThanOrEqual(0);
      // It started again in between.
      if (counts.samples < last.samples) [samples, answered] = [samples + last.samples, answered + last.answered];
      last = counts;
    }
    expect(line.flaws).toEqual([]);
    // All of it was reached: samples that ran, and some that the cloud answered.
    expect(samples + last.samples).toBeGreaterThan(CASES / 20);
    expect(answered + last.answered).toBeGreaterThan(0);
    // The deadlines come, and nothing is on its way any more.
    while (unaccounted((await line.describe()).counts) > 0);
  } finally {
    line.close();
    await board.stop();
    await rm(folder, { recursive: true });
  }
});
