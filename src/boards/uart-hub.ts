/**
 * A board's one UART for several programs at once: a gateway, a monitor and `hedge flash`. What the board says goes to all of them. What they say goes to
 * the board frame by frame: a frame ends with a zero byte (docs/wire.md), so that none is torn by another.
 */
import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";

/** More than any frame; a client that sends more without a zero byte speaks something else. */
const LONGEST_FRAME = 1 << 17;
/** Bytes that a client may be behind with reading. */
const LONGEST_BACKLOG = 1 << 20;

export class UartHub {
  readonly #boardSide: Server;
  readonly #clientSide: Server;
  readonly #listen: (bytes: Buffer) => void;
  readonly #clients = new Set<Socket>();
  #board: Socket | undefined;

  private constructor(boardSide: Server, clientSide: Server, listen: (bytes: Buffer) => void) {
    this.#boardSide = boardSide;
    this.#clientSide = clientSide;
    this.#listen = listen;
    this.#boardSide.once("connection", (socket) => {
      this.#board = socket;
      this.#boardSide.close();
      socket.on("error", () => undefined).on("data", (bytes) => this.#fromBoard(bytes));
    });
    this.#clientSide.on("connection", (socket) => this.#serve(socket));
  }

  /** @param listen hears what the board says, as well */
  static async start(listen: (bytes: Buffer) => void): Promise<UartHub> {
    const servers = [createServer({ noDelay: true }), createServer({ noDelay: true })] as const;
    for (const server of servers) {
      server.listen(0, "127.0.0.1");
      await once(server, "listening");
    }
    return new UartHub(...servers, listen);
  }

  /** Where QEMU connects. */
  get boardPort(): number {
    return (this.#boardSide.address() as AddressInfo).port;
  }

  /** Where programs connect. */
  get clientPort(): number {
    return (this.#clientSide.address() as AddressInfo).port;
  }

  close(): void {
    this.#boardSide.close();
    this.#clientSide.close();
    for (const socket of [...this.#clients, this.#board]) socket?.destroy();
  }

  #fromBoard(bytes: Buffer): void {
    this.#listen(bytes);
    for (const client of this.#clients) {
      client.write(bytes);
      if (client.writableLength > LONGEST_BACKLOG) client.destroy();
    }
  }

  #serve(client: Socket): void {
    let pending = Buffer.alloc(0);
    this.#clients.add(client);
    client.on("error", () => undefined).on("close", () => this.#clients.delete(client));
    client.on("data", (bytes) => {
      const all = Buffer.concat([pending, bytes]);
      const whole = all.lastIndexOf(0) + 1;
      this.#board?.write(all.subarray(0, whole));
      pending = all.subarray(whole);
      if (pending.length > LONGEST_FRAME) client.destroy();
    });
  }
}
