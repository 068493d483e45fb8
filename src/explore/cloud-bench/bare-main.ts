/** onnxruntime alone, in a process of its own: what `bare-process.ts` asks. */

import { requireHybrid } from "../../bundle/manifest.ts";
import { readBundle } from "../../bundle/read.ts";
import { elementCount } from "../../graph/graph.ts";
import { unpackPayload } from "../../wire/payload.ts";
import { OrtModel } from "../ort.ts";
import { answerQuestions } from "./helper-process.ts";

export type BareRequest =
  | { readonly what: "open"; readonly folder: string; readonly payloads: readonly Uint8Array[] }
  | { readonly what: "run"; readonly batch: number; readonly seconds: number; readonly pause: number };

export interface BareRun {
  readonly samples: number;
  readonly seconds: number;
  readonly cpuSeconds: number;
  /** Milliseconds of each run. */
  readonly ms: readonly number[];
}

let run: ((batch: number) => Promise<unknown>) | undefined;

async function open(folder: string, payloads: readonly Uint8Array[]): Promise<typeof run> {
  const bundle = await readBundle(folder);
  const { payload, cloud, name } = requireHybrid(bundle.manifest);
  const model = await OrtModel.open(bundle.cloudOnnx!, name, { threads: 1 });
  const values = payloads.map((packed) => unpackPayload(payload, packed));
  const size = elementCount(payload.shape);
  let next = 0;
  return (batch) => {
    const data = new Float32Array(batch * size);
    for (let k = 0; k < batch; k++) data.set(values[next++ % values.length]!, k * size);
    return model.run({ [cloud.input]: { dims: [batch, ...payload.shape], data } }, [cloud.output]);
  };
}

answerQuestions<BareRequest>(async (request) => {
  if (request.what === "open") {
    run = await open(request.folder, request.payloads);
    return undefined;
  }
  if (run === undefined) throw new Error("no model was opened");
  const { batch, seconds, pause } = request;
  const ms: number[] = [];
  const cpu = process.cpuUsage();
  const started = performance.now();
  while (performance.now() - started < 1_000 * seconds) {
    const from = performance.now();
    await run(batch);
    ms.push(performance.now() - from);
    if (pause > 0) await new Promise((resolve) => setTimeout(resolve, pause));
  }
  const { user, system } = process.cpuUsage(cpu);
  const result: BareRun = {
    samples: ms.length * batch,
    seconds: (performance.now() - started) / 1_000,
    cpuSeconds: (user + system) / 1e6,
    ms,
  };
  return result;
});
