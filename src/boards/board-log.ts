/** What an emulated board logged: lines out of the frames on its UART. */
import { LINK_CHANNELS, LinkDecoder } from "../link/codec.ts";

/** Lines that are kept. */
const MOST_LINES = 2_000;

export class BoardLog {
  readonly lines: string[] = [];
  readonly #decoder = new LinkDecoder();
  readonly #hear: (line: string) => void;
  readonly #waiting = new Set<(line: string) => void>();

  /** @param hear is told of each line */
  constructor(hear: (line: string) => void) {
    this.#hear = hear;
  }

  push(bytes: Uint8Array): void {
    for (const { channel, content } of this.#decoder.push(bytes)) {
      if (channel !== LINK_CHANNELS.log) continue;
      const line = Buffer.from(content).toString("latin1");
      this.lines.push(line);
      if (this.lines.length > MOST_LINES) this.lines.shift();
      this.#hear(line);
      for (const check of this.#waiting) check(line);
    }
  }

  /** Resolves to the first line that matches, of those that are kept or to come from the line number `from` on. */
  until(pattern: RegExp, from = 0): Promise<string> {
    const found = this.lines.slice(from).find((line) => pattern.test(line));
    if (found !== undefined) return Promise.resolve(found);
    return new Promise((resolve) => {
      const check = (line: string) => {
        if (!pattern.test(line)) return;
        this.#waiting.delete(check);
        resolve(line);
      };
      this.#waiting.add(check);
    });
  }
}
