/** onnxruntime without anything around it: what a worker is held to. */
import type { BareRequest, BareRun } from "./bare-main.ts";
import { HelperProcess } from "./helper-process.ts";
import type { Setting } from "./stage.ts";

export class BareProcess {
  private constructor(private readonly helper: HelperProcess<BareRequest>) {}

  /** One thread, with the setting's bundle and samples. */
  static async start({ hedge, folder, samples }: Setting): Promise<BareProcess> {
    const bare = new BareProcess(HelperProcess.start(hedge, "bare-main.js"));
    await bare.helper.ask({ what: "open", folder, payloads: samples.map(({ payload }) => payload) });
    return bare;
  }

  get pid(): number {
    return this.helper.pid;
  }

  /** Batches of one size, one after the other, for a while; `pause` milliseconds lie between them. */
  run(batch: number, seconds: number, pause = 0): Promise<BareRun> {
    return this.helper.ask({ what: "run", batch, seconds, pause }) as Promise<BareRun>;
  }

  kill(): Promise<void> {
    return this.helper.kill();
  }
}
