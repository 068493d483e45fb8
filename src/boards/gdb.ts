/**
 * A client of a gdb stub (the GDB remote serial protocol), as far as memory goes. QEMU halts the board when somebody connects; it goes on
 * with `detach`.
 */
import type { Socket } from "node:net";
import { HedgeError } from "../errors.ts";
import { connectUnix } from "./unix-socket.ts";

/** Bytes of memory in a packet: in hexadecimal, with what stands before them, they fit the 4,096 characters of QEMU's packets. */
const PIECE = 1_024;
/** Longer answers are not asked for. */
const LONGEST_ANSWER = 65_536;
/** Said unasked when the board halts; no answer to what is asked here starts so. */
const STOP_NOTICE = /^[ST]/;
/** Milliseconds that an answer may take. */
const PATIENCE = 30_000;

export class GdbClient {
  readonly #socket: Socket;
  readonly #answers: AsyncIterator<string>;
  #isLeaving = false;

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.#answers = packets(socket);
    socket.setTimeout(PATIENCE, () => socket.destroy());
    process.once("SIGINT", this.#leave).once("SIGTERM", this.#leave);
  }

  /** Who is told to end first lets the board go on, which would stay halted otherwise; then the signal does what it does by default. */
  readonly #leave = (signal: NodeJS.Signals): void => {
    this.#isLeaving = true;
    process.off("SIGINT", this.#leave).off("SIGTERM", this.#leave);
    this.#socket.end(packed("D"), () => process.kill(process.pid, signal));
  };

  /** Connects and halts the board. Addresses are physical ones from then on: no protection unit is in the way. */
  static async connect(path: string): Promise<GdbClient> {
    const socket = await connectUnix(path).catch((cause) => {
      throw new HedgeError("network", `No gdb stub listens at ${path}.`, "Start the board: hedge board run.", {
        cause,
      });
    });
    const client = new GdbClient(socket);
    try {
      await client.#expectOk("Qqemu.PhyMemMode:1", "take physical addresses");
      return client;
    } catch (error) {
      client.close();
      throw error;
    }
  }

  async read(address: number, bytes: number): Promise<Buffer> {
    const pieces: Buffer[] = [];
    for (let offset = 0; offset < bytes; offset += PIECE) {
      const length = Math.min(PIECE, bytes - offset);
      const piece = Buffer.from(await this.#ask(`m${hex(address + offset)},${hex(length)}`), "hex");
      if (piece.length !== length) throw refusal(`read ${length} bytes at 0x${hex(address + offset)}`);
      pieces.push(piece);
    }
    return Buffer.concat(pieces);
  }

  async write(address: number, content: Uint8Array): Promise<void> {
    for (let offset = 0; offset < content.length; offset += PIECE) {
      const piece = Buffer.from(content.subarray(offset, offset + PIECE));
      const where = hex(address + offset);
      await this.#expectOk(`M${where},${hex(piece.length)}:${piece.toString("hex")}`, `write at 0x${where}`);
    }
  }

  /** Lets the board go on. */
  async detach(): Promise<void> {
    await this.#expectOk("D", "let the board go on");
    this.close();
  }

  close(): void {
    process.off("SIGINT", this.#leave).off("SIGTERM", this.#leave);
    this.#socket.destroy();
  }

  async #expectOk(packet: string, what: string): Promise<void> {
    if ((await this.#ask(packet)) !== "OK") throw refusal(what);
  }

  async #ask(packet: string): Promise<string> {
    // Another packet would halt the board again.
    if (this.#isLeaving) return new Promise(() => undefined);
    this.#socket.write(packed(packet));
    const { value, done } = await this.#answers.next();
    if (done)
      throw new HedgeError("network", "The gdb stub closed the connection.", "Stop the board and start it again.");
    return value;
  }
}

/** The contents of the packets that come in; each is acknowledged. The stub's acknowledgements carry nothing: a local socket loses no byte. */
async function* packets(socket: Socket): AsyncGenerator<string, undefined> {
  let text = "";
  try {
    for await (const piece of socket) {
      text += (piece as Buffer).toString("latin1");
      for (;;) {
        const found = /^[^$]*\$([^#]*)#([0-9a-f]{2})/i.exec(text);
        if (!found) break;
        text = text.slice(found[0].length);
        const [, packet, sum] = found as unknown as [string, string, string];
        if (sum.toLowerCase() !== checksum(packet)) throw refusal("send an undamaged answer");
        socket.write("+");
        if (!STOP_NOTICE.test(packet)) yield packet;
      }
      if (text.length > LONGEST_ANSWER) throw refusal("keep its answers short");
    }
  } catch (error) {
    if (error instanceof HedgeError) throw error;
  }
  return undefined;
}

function packed(packet: string): string {
  return `$${packet}#${checksum(packet)}`;
}

function checksum(packet: string): string {
  const sum = Buffer.from(packet, "latin1").reduce((total, byte) => total + byte, 0);
  return (sum & 0xff).toString(16).padStart(2, "0");
}

function hex(value: number): string {
  return value.toString(16);
}

function refusal(what: string): HedgeError {
  return new HedgeError("network", `The gdb stub did not ${what}.`, "Stop the board and start it again.");
}
