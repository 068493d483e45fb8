/** What a worker says of itself at /metrics, at one moment. */
import { HedgeError } from "../../errors.ts";

export class Scrape {
  private constructor(private readonly text: string) {}

  /** @param http host and port. @throws HedgeError (network) when nobody answers there */
  static async of(http: string): Promise<Scrape> {
    const response = await fetch(`http://${http}/metrics`).catch((cause) => {
      throw new HedgeError("network", `No worker answers at ${http}.`, "See that it runs.", { cause });
    });
    return new Scrape(await response.text());
  }

  /** Mean of a histogram's values since an earlier look; NaN if there were none. */
  meanSince(before: Scrape, name: string): number {
    const since = (part: string) => this.#sum(`${name}_${part}`) - before.#sum(`${name}_${part}`);
    return since("sum") / since("count");
  }

  /** Over all labels. */
  #sum(name: string): number {
    const values = [...this.text.matchAll(new RegExp(`^${name}(?:\\{.*\\})? (\\S+)$`, "gm"))].map(([, v]) => Number(v));
    return values.reduce((sum, value) => sum + value, 0);
  }
}
