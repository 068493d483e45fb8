/** Processes beside this one that do what they are asked, one question at a time. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { resolve } from "node:path";
import { HedgeError } from "../../errors.ts";

interface Reply {
  readonly value?: unknown;
  readonly error?: string;
}

export class HelperProcess<Request extends object> {
  #turn: Promise<unknown> = Promise.resolve();
  readonly #ended: Promise<unknown>;

  private constructor(private readonly child: ChildProcess) {
    this.#ended = once(child, "exit");
  }

  /**
   * @param hedge path of the command line's main file, beside which the compiled helpers lie
   * @param main file that the process runs: it calls `answerQuestions`
   */
  static start<Request extends object>(hedge: string, main: string): HelperProcess<Request> {
    const file = resolve(hedge, "../../explore/cloud-bench", main);
    return new HelperProcess(fork(file, { serialization: "advanced", stdio: ["ignore", "ignore", "inherit", "ipc"] }));
  }

  get pid(): number {
    return this.child.pid as number;
  }

  /** @throws HedgeError (network) with what went wrong over there */
  ask(request: Request): Promise<unknown> {
    const asked = this.#turn.then(() => this.#exchange(request));
    this.#turn = asked.catch(() => undefined);
    return asked;
  }

  async kill(): Promise<void> {
    this.child.kill("SIGKILL");
    await this.#ended;
  }

  async #exchange(request: Request): Promise<unknown> {
    const ended = this.#ended.then((): Reply => ({ error: "its process ended" }));
    const said = once(this.child, "message").then(([reply]) => reply as Reply);
    this.child.send(request);
    const { value, error } = await Promise.race([said, ended]);
    if (error !== undefined)
      throw new HedgeError("network", `The bench's helper failed: ${error}.`, "See that broker and bundle are there.");
    return value;
  }
}

/** The other side: answers each question in order, and ends with the process that asks. */
export function answerQuestions<Request>(answer: (request: Request) => Promise<unknown>): void {
  process.on("message", (request: Request) => {
    answer(request).then(
      (value) => process.send?.({ value } satisfies Reply),
      (error: Error) => process.send?.({ error: error.message } satisfies Reply),
    );
  });
  process.on("disconnect", () => process.exit());
}
