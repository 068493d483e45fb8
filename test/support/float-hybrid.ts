/** Float models with an exit and a cut: convolutions, batch norms and ReLUs as PyTorch exports them. */
import { metadataProps } from "../../src/import/metadata.ts";
import { model, node, value } from "../../src/import/onnx/build.ts";
import type { OnnxModel } from "../../src/import/onnx/types.ts";
import { FloatExporter } from "../../src/zoo/flavours/float.ts";
import { randomFrom } from "./random.ts";

const CLASSES = 4;
const INPUT = [3, 9, 7] as const;

export interface FloatHybridOptions {
  readonly opset?: number;
  /** Of the feature maps on the device. */
  readonly channels?: number;
  /** The cut has negative values, too. */
  readonly signed?: boolean;
  /** The image comes with its channels last. */
  readonly channelsLast?: boolean;
  /** The model says in its metadata where to cut and exit. */
  readonly metadata?: boolean;
}

export interface FloatHybrid {
  readonly model: OnnxModel;
  readonly cut: string;
  /** The exit's logits. */
  readonly exit: string;
  /** The final logits. */
  readonly output: string;
}

/** A residual block on the device, which the exit and the cloud part read; a layer with a stride and a classifier in the cloud. */
export function floatHybrid({
  opset = 13,
  channels: outputs = 6,
  signed = false,
  channelsLast = false,
  metadata = false,
}: FloatHybridOptions = {}): FloatHybrid {
  const to = new FloatExporter({ bits: { weights: 8, activations: 8 }, seed: 1 });
  const kernel = [3, 3] as const;
  const first = to.conv(to.input(INPUT), "edge.0", { outputs, kernel, stride: 1, activation: "relu" });
  const second = to.conv(first, "edge.1", { outputs, kernel, stride: 1, activation: "none" });
  const { name: cut, ...map } = to.sum(second, first, "edge.sum", signed ? "none" : "relu");
  const exit = to.dense(to.globalPool({ name: cut, ...map }, "exit"), "exit", { outputs: CLASSES }).name;
  const deep = to.conv({ name: cut, ...map }, "cloud", { outputs: 9, kernel, stride: 2, activation: "relu" });
  const output = to.dense(to.globalPool(deep, "head"), "head", { outputs: CLASSES }).name;
  const said = metadataProps({
    name: "said",
    cut,
    output,
    exit: { name: "exit", logits: exit, rule: "entropy", threshold: 0.25 },
    classes: ["ant", "bee", "cat", "dog"],
    input: { name: "input", pixelZero: 128, pixelStep: 1 / 32 },
  });
  const turned = node("Transpose", ["image"], ["input"], { perm: { ints: [0, 3, 1, 2] } });
  const [channels, height, width] = INPUT;
  const made = model({
    name: "float-hybrid",
    nodes: [...(channelsLast ? [turned] : []), ...to.nodes],
    initializers: to.initializers,
    inputs: [channelsLast ? value("image", ["batch", height, width, channels]) : value("input", ["batch", ...INPUT])],
    outputs: [...(metadata ? [value(exit, ["batch", CLASSES])] : []), value(output, ["batch", CLASSES])],
    ...(metadata && { metadata: said }),
  });
  return { model: { ...made, opsetImport: [{ domain: "", version: opset }] }, cut, exit, output };
}

/** Samples in the order of the file. */
export function floatSamples(count: number): Float32Array[] {
  const random = randomFrom(1);
  return Array.from({ length: count }, () => Float32Array.from({ length: 3 * 9 * 7 }, () => 4 * random() - 2));
}
