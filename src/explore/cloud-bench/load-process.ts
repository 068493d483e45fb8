/** A load in a process of its own, so that neither it nor who watches it holds the other up. */
import { HelperProcess } from "./helper-process.ts";
import type { LoadCounts, LoadOptions, Pace } from "./load.ts";
import type { LoadLog } from "./load-log.ts";
import type { LoadRequest } from "./load-main.ts";

export class LoadProcess {
  private constructor(private readonly helper: HelperProcess<LoadRequest>) {}

  /**
   * Starts the process and connects its devices; nothing is sent yet.
   * @param hedge path of the command line's main file
   * @throws HedgeError (network) when there is no broker
   */
  static async start(hedge: string, options: LoadOptions): Promise<LoadProcess> {
    const load = new LoadProcess(HelperProcess.start(hedge, "load-main.js"));
    try {
      await load.helper.ask({ what: "open", options });
    } catch (error) {
      await load.kill();
      throw error;
    }
    return load;
  }

  get pid(): number {
    return this.helper.pid;
  }

  /** Takes effect at once. */
  async pace(pace: Pace): Promise<void> {
    await this.helper.ask({ what: "pace", pace });
  }

  counts(): Promise<LoadCounts> {
    return this.helper.ask({ what: "counts" }) as Promise<LoadCounts>;
  }

  /** Stops the samples, and waits until each has ended. */
  async settle(): Promise<void> {
    await this.helper.ask({ what: "settle" });
  }

  /** Waits until every sample has ended, and ends the process. */
  async finish(): Promise<LoadLog> {
    const log = (await this.helper.ask({ what: "finish" })) as LoadLog;
    await this.kill();
    return log;
  }

  kill(): Promise<void> {
    return this.helper.kill();
  }
}
