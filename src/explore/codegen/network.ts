/** Whole networks; one is the edge part of a ResNet-32 with 20 binarized layers and random weights, as the trainer exports it. */
import type { Bundle } from "../../bundle/bundle.ts";
import { compileModel } from "../../bundle/compile.ts";
import { encodeModel } from "../../import/onnx/codec.ts";
import type { Plan } from "../../plan/plan.ts";
import type { KernelProfile } from "../../plan/profile.ts";
import { hybridModel } from "../../zoo/hybrid.ts";
import { hybridResNet } from "../../zoo/hybrid-resnet.ts";
import { randomFrom } from "../../zoo/random.ts";
import type { RunnerJob } from "../wasm3-runner.ts";

export interface MeasuredNetwork {
  readonly job: RunnerJob;
  readonly bundle: Bundle;
  /** From the model's bytes to the bundle. */
  readonly compileSeconds: number;
  readonly plan: Plan;
}

const EDGE_BLOCKS = 10;
const PAYLOAD_BITS = 2;

export function resNet32(kernels: KernelProfile): Promise<MeasuredNetwork> {
  const model = encodeModel(hybridModel(hybridResNet(32, EDGE_BLOCKS, PAYLOAD_BITS), { name: "resnet32" }));
  return measuredNetwork(model, "resnet32.onnx", kernels);
}

/** @param file the model's, for errors */
export async function measuredNetwork(
  model: Uint8Array,
  file: string,
  kernels: KernelProfile,
): Promise<MeasuredNetwork> {
  const started = performance.now();
  const { bundle, plan } = await compileModel(model, file, { kernels });
  const compileSeconds = (performance.now() - started) / 1000;
  const random = randomFrom(6);
  const { edgeWasm, weights } = bundle;
  const { module } = bundle.manifest;
  const sample = Int8Array.from({ length: module.inputBytes }, () => Math.floor(random() * 256) - 128);
  return { job: { edgeWasm, weights, sample, module }, bundle, compileSeconds, plan };
}
