/** A load in a process of its own, so that neither it nor who watches it holds the other up. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { resolve } from "node:path";
import { HedgeError } from "../../errors.ts";
import type { LoadCounts, LoadOptions, Pace } from "./load.ts";
import type { LoadLog } from "./load-log.ts";
import type { LoadRequest } from "./load-main.ts";

export class LoadProcess {
  #turn: Promise<unknown> = Promise.resolve();
  readonly #ended: Promise<unknown>;

  private constructor(private readonly child: ChildProcess) {
    this.#ended = once(child, "exit");
  }

  /**
   * Starts the process and connects its devices; nothing is sent yet.
   * @param hedge path of the command line's main file, beside which the compiled load lies
   * @throws HedgeError (network) when there is no broker
   */
  static async start(hedge: string, options: LoadOptions): Promise<LoadProcess> {
    const main = resolve(hedge, "../../explore/cloud-bench/load-main.js");
    const load = new LoadProcess(
      fork(main, { serialization: "advanced", stdio: ["ignore", "ignore", "inherit", "ipc"] }),
    );
    await load.#ask({ what: "open", options });
    return load;
  }

  get pid(): number {
    return this.child.pid as number;
  }

  pace(pace: Pace): Promise<void> {
    return this.#ask({ what: "pace", pace }) as Promise<void>;
  }

  counts(): Promise<LoadCounts> {
    return this.#ask({ what: "counts" }) as Promise<LoadCounts>;
  }

  /** Waits until every sample has ended, and ends the process. */
  async finish(): Promise<LoadLog> {
    const log = (await this.#ask({ what: "finish" })) as LoadLog;
    await this.kill();
    return log;
  }

  async kill(): Promise<void> {
    this.child.kill("SIGKILL");
    await this.#ended;
  }

  /** One question at a time. */
  #ask(request: LoadRequest): Promise<unknown> {
    const asked = this.#turn.then(() => this.#exchange(request));
    this.#turn = asked.catch(() => undefined);
    return asked;
  }

  async #exchange(request: LoadRequest): Promise<unknown> {
    const ended = this.#ended.then(() => ({ error: "its process ended", value: undefined }));
    const said = once(this.child, "message").then(([answer]) => answer as { value?: unknown; error?: string });
    this.child.send(request);
    const { value, error } = await Promise.race([said, ended]);
    if (error !== undefined)
      throw new HedgeError(
        "network",
        `The load came to nothing: ${error}.`,
        "See that its broker and bundle are there.",
      );
    return value;
  }
}
