/** What an emulated board logged: lines out of the frames on its UART. */
import { LINK_CHANNELS, LinkDecoder } from "../link/codec.ts";

/** Lines that are kept. */
const MOST_LINES = 2_000;

type Listener = (line: string) => void;

export class BoardLog {
  readonly lines: string[] = [];
  readonly #decoder = new LinkDecoder();
  readonly #listeners = new Set<Listener>();

  push(bytes: Uint8Array): void {
    for (const { channel, content } of this.#decoder.push(bytes)) {
      if (channel !== LINK_CHANNELS.log) continue;
      const line = Buffer.from(content).toString("latin1");
      this.lines.push(line);
      if (this.lines.length > MOST_LINES) this.lines.shift();
      for (const listener of this.#listeners) listener(line);
    }
  }

  /** Tells of the lines so far, and of each that comes. */
  follow(listener: Listener): void {
    for (const line of this.lines) listener(line);
    this.#listeners.add(listener);
  }

  /** Resolves to the first line that matches, of those from number `from` on, or to come. */
  until(pattern: RegExp, from = 0): Promise<string> {
    const found = this.lines.slice(from).find((line) => pattern.test(line));
    if (found !== undefined) return Promise.resolve(found);
    return new Promise((resolve) => {
      const listener: Listener = (line) => {
        if (!pattern.test(line)) return;
        this.#listeners.delete(listener);
        resolve(line);
      };
      this.#listeners.add(listener);
    });
  }
}
