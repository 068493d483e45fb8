/** A whole network: the edge part of a ResNet-32 with 20 binarized layers and random weights, as the trainer exports it. */
import { type Compilation, compileModel } from "../../bundle/compile.ts";
import { encodeModel } from "../../import/onnx/codec.ts";
import { hybridModel } from "../../zoo/hybrid.ts";
import { hybridResNet } from "../../zoo/hybrid-resnet.ts";
import { randomFrom } from "../../zoo/random.ts";
import type { RunnerJob } from "../wasm3-runner.ts";

export interface MeasuredNetwork {
  readonly job: RunnerJob;
  /** From the model's bytes to the bundle. */
  readonly compileSeconds: number;
  readonly bundle: Compilation["bundle"];
}

const EDGE_BLOCKS = 10;
const PAYLOAD_BITS = 2;

export async function resNet32(): Promise<MeasuredNetwork> {
  const model = encodeModel(hybridModel(hybridResNet(32, EDGE_BLOCKS, PAYLOAD_BITS), { name: "resnet32" }));
  const started = performance.now();
  const { bundle } = await compileModel(model, "resnet32.onnx");
  const compileSeconds = (performance.now() - started) / 1000;
  const random = randomFrom(6);
  const { edgeWasm, weights } = bundle;
  const { module } = bundle.manifest;
  const sample = Int8Array.from({ length: module.inputBytes }, () => Math.floor(random() * 256) - 128);
  return { job: { edgeWasm, weights, sample, module }, compileSeconds, bundle };
}
