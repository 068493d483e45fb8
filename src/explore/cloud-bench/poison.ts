/** A model with a payload that kills whoever runs it: a division of integers by zero ends a process, threads and all. */
import { type Bundle, createBundle } from "../../bundle/bundle.ts";
import { requireHybrid } from "../../bundle/manifest.ts";
import { elementCount } from "../../graph/graph.ts";
import { floats, node } from "../../import/onnx/build.ts";
import { decodeModel, encodeModel } from "../../import/onnx/codec.ts";
import { writeTensor } from "../../import/onnx/tensor.ts";
import { DATA_TYPE, type OnnxTensor } from "../../import/onnx/types.ts";
import { packPayload } from "../../wire/payload.ts";

export interface Poisoned {
  /** The same model with a cloud part that gives the same logits, but for the poison. */
  readonly bundle: Bundle;
  /** All levels at their lowest: what no image has. */
  readonly poison: Uint8Array;
}

/**
 * Adds 0 / (how far the payload's largest value lies above the lowest possible one) to each logit, in 32-bit integers.
 * @throws HedgeError (input) for an edge-only bundle
 */
export async function poisoned({ manifest, edgeWasm, weights, cloudOnnx }: Bundle): Promise<Poisoned> {
  const { payload, cloud, name } = requireHybrid(manifest);
  const lowest = payload.bits === 8 ? -128 : 0;
  const model = decodeModel(cloudOnnx!, name);
  const { graph } = model;
  const last = graph.node.find(({ output }) => output.includes(cloud.output))!;
  last.output = last.output.map((output) => (output === cloud.output ? "sound" : output));
  graph.node.push(
    node("Flatten", [cloud.input], ["poison.flat"]),
    node("ReduceMax", ["poison.flat"], ["poison.largest"], { axes: { ints: [1] } }),
    node("Sub", ["poison.largest", "poison.lowest"], ["poison.above"]),
    node("Ceil", ["poison.above"], ["poison.whole"]),
    node("Cast", ["poison.whole"], ["poison.divisor"], { to: { int: DATA_TYPE.INT32 } }),
    node("Div", ["poison.zero", "poison.divisor"], ["poison.quotient"]),
    node("Cast", ["poison.quotient"], ["poison.nothing"], { to: { int: DATA_TYPE.FLOAT } }),
    node("Add", ["sound", "poison.nothing"], [cloud.output]),
  );
  graph.initializer.push(
    floats("poison.lowest", [1], [(lowest + payload.offset) * payload.scale]),
    int32("poison.zero", 0),
  );
  const { format: _format, version: _version, parts: _parts, digest: _digest, ...draft } = manifest;
  return {
    bundle: await createBundle(
      { ...draft, name: `${name}-poison` },
      { edgeWasm, weights, cloudOnnx: encodeModel(model) },
    ),
    poison: packPayload(payload, new Array<number>(elementCount(payload.shape)).fill(lowest)),
  };
}

function int32(name: string, value: number): OnnxTensor {
  return writeTensor(name, "INT32", [1], Int32Array.of(value));
}
