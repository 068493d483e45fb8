/**
 * The host's end of a link: opens the line, finds frames in it, and opens it again whenever it is lost. What is said in frames is up to who
 * uses it.
 */
import type { Socket } from "node:net";
import { isName } from "../wire/topics.ts";
import { encodeLinkFrame, LINK_CHANNELS, LinkDecoder, type LinkFrame } from "./codec.ts";
import { openLine, parseLine } from "./line.ts";

/** What a device says of itself now and then. */
export interface Hello {
  readonly id: string;
  /** Whether the link is its way to the broker; if not, it has a network of its own. */
  readonly isNetwork: boolean;
  /** Whether it heard a host lately. */
  readonly hearsHost: boolean;
}

export interface LinkHandlers {
  /** A frame of docs/wire.md, by its type: whole, but its content may be anything. */
  readonly onFrame?: (type: number, frame: Uint8Array) => void;
  readonly onHello?: (hello: Hello) => void;
  /** A line of the device's log, printable. */
  readonly onLog?: (line: string) => void;
  /** The line was opened (no reason), or lost or not found (why): each reason once until another comes. */
  readonly onLine?: (trouble: string | undefined) => void;
}

export interface LinkOptions extends LinkHandlers {
  /** As parseLine takes it. */
  readonly address: string;
  /**
   * For whoever is the device's way to the broker: whether the broker is there; the device is told every second. Others leave it out, and
   * speak as the host only to a device that hears none.
   */
  readonly hasBroker?: () => boolean;
}

const HELLO_VERSION = 1;
const HELLO_IS_NETWORK = 1;
const HELLO_NO_HOST = 2;
const HOST_HAS_BROKER = 1;
const HOST_HAS_TIME = 2;
/** Milliseconds between HOST frames; devices take 6 s of silence for the end. */
const HOST_EVERY = 1_000;
/** Milliseconds before the line is opened again. */
const REOPEN_AFTER = 500;
/** Milliseconds that the last bytes may take once the link is closed. */
const FLUSH_TIMEOUT = 500;
/** Bytes that may wait for a line that is slow or stuck. */
const MAX_WAITING = 256 << 10;

export class Link {
  readonly #decoder = new LinkDecoder();
  readonly #address;
  #line: Socket | undefined;
  #heartbeat: NodeJS.Timeout | undefined;
  #reopen: NodeJS.Timeout | undefined;
  #closed = false;
  /** Why there is no line, as far as was said. */
  #trouble: string | undefined;

  /** Begins to open the line. Throws a HedgeError (usage) for an address that is none. */
  constructor(private readonly options: LinkOptions) {
    this.#address = parseLine(options.address);
    if (options.hasBroker) this.#heartbeat = setInterval(() => this.speakAsHost(), HOST_EVERY);
    this.#open();
  }

  /** Damaged frames so far. */
  get damaged(): number {
    return this.#decoder.damaged;
  }

  /** False when the frame is not sent: the line is not there, or too much waits for it. */
  send(channel: number, content: Uint8Array): boolean {
    const line = this.#line;
    if (line === undefined || line.writableLength > MAX_WAITING) return false;
    line.write(encodeLinkFrame(channel, content));
    return true;
  }

  /** Tells the device the time and whether the broker is there: on a change at once, else it happens by itself. */
  speakAsHost(): void {
    const content = Buffer.alloc(9);
    content[0] = (this.options.hasBroker?.() ? HOST_HAS_BROKER : 0) | HOST_HAS_TIME;
    content.writeBigUInt64LE(BigInt(Date.now()), 1);
    this.send(LINK_CHANNELS.host, content);
  }

  /** Ends it; what was sent before is written first where the line still takes it. */
  close(): void {
    this.#closed = true;
    clearInterval(this.#heartbeat);
    clearTimeout(this.#reopen);
    const line = this.#line;
    this.#line = undefined;
    line?.end(() => line.destroy());
    // A line that takes nothing any more must not keep the process.
    if (line) setTimeout(() => line.destroy(), FLUSH_TIMEOUT);
  }

  async #open(): Promise<void> {
    let line: Socket;
    try {
      line = await openLine(this.#address);
    } catch (error) {
      this.#lost((error as Error).message);
      return;
    }
    if (this.#closed) {
      line.destroy();
      return;
    }
    let trouble = "the other side closed it";
    line.on("error", (error) => {
      trouble = error.message;
    });
    line.on("close", () => {
      if (this.#line === line) this.#lost(trouble);
    });
    line.on("end", () => line.destroy());
    line.on("data", (bytes: Buffer) => {
      if (this.#line !== line) return;
      for (const frame of this.#decoder.push(bytes)) this.#take(frame);
    });
    this.#decoder.reset();
    this.#line = line;
    // Ends whatever the device has received of somebody before.
    line.write(Buffer.from([0]));
    if (this.options.hasBroker) this.speakAsHost();
    this.#trouble = undefined;
    this.options.onLine?.(undefined);
  }

  #lost(trouble: string): void {
    this.#line = undefined;
    if (this.#closed) return;
    if (trouble !== this.#trouble) this.options.onLine?.(trouble);
    this.#trouble = trouble;
    this.#reopen = setTimeout(() => this.#open(), REOPEN_AFTER);
  }

  #take({ channel, content }: LinkFrame): void {
    if (channel === LINK_CHANNELS.log) {
      this.options.onLog?.(printableLine(content));
    } else if (channel === LINK_CHANNELS.hello) {
      const hello = parseHello(content);
      if (hello === undefined) return;
      if (!hello.hearsHost) this.speakAsHost();
      this.options.onHello?.(hello);
    } else if (channel >= 1 && channel < LINK_CHANNELS.log) {
      this.options.onFrame?.(channel, content);
    }
  }
}

/** Undefined for a device of another version, or a name that is none. */
function parseHello(content: Uint8Array): Hello | undefined {
  const [version, flags = 0] = content;
  const id = Buffer.from(content.subarray(2)).toString("latin1");
  if (version !== HELLO_VERSION || !isName(id)) return undefined;
  return { id, isNetwork: (flags & HELLO_IS_NETWORK) !== 0, hearsHost: (flags & HELLO_NO_HOST) === 0 };
}

/** A log is for a terminal: nothing that steers one gets through. */
function printableLine(content: Uint8Array): string {
  return Buffer.from(content)
    .toString("latin1")
    .replace(/[^\x20-\x7e]/g, "?");
}
