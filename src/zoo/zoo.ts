/** The zoo: networks with random weights, written as real tools export them. For trying the compiler, for tests and for benches. */
import { HedgeError } from "../errors.ts";
import type { OnnxModel } from "../import/onnx/types.ts";
import type { Bits, Exporter, ExportOptions, Feature } from "./exporter.ts";
import { BrevitasExporter } from "./flavours/brevitas.ts";
import { FloatExporter } from "./flavours/float.ts";
import { QdqExporter } from "./flavours/qdq.ts";
import { QKerasExporter } from "./flavours/qkeras.ts";
import { hybridModel } from "./hybrid.ts";
import { hybridResNet } from "./hybrid-resnet.ts";
import { autoencoder } from "./networks/autoencoder.ts";
import { dsCnn } from "./networks/ds-cnn.ts";
import { mlp } from "./networks/mlp.ts";
import { mobilenetV1, mobilenetV1Block } from "./networks/mobilenet-v1.ts";
import { mobilenetV2Block } from "./networks/mobilenet-v2.ts";
import { resnet8 } from "./networks/resnet8.ts";

interface FlavourEntry {
  readonly summary: string;
  readonly exporter: new (options: ExportOptions) => Exporter;
  /** What the tool behind it can write. */
  readonly bits: readonly number[];
}

const LOW_BITS = [1, 2, 3, 4, 5, 6, 7, 8];

export const FLAVOURS = {
  brevitas: { summary: "QONNX as Brevitas exports it", exporter: BrevitasExporter, bits: LOW_BITS },
  qkeras: { summary: "QONNX as made from QKeras", exporter: QKerasExporter, bits: LOW_BITS },
  qdq: { summary: "int8 as onnxruntime's quantiser writes it", exporter: QdqExporter, bits: [8] },
  float: { summary: "no quantisers", exporter: FloatExporter, bits: [] },
} as const satisfies Record<string, FlavourEntry>;
export type Flavour = keyof typeof FLAVOURS;
/** Hybrid models are written as tools/train exports them: 1-bit weights and activations, an exit and a cut. */
export const TRAINER = "trainer";

interface Network {
  readonly summary: string;
  readonly classifies: boolean;
  readonly write: (to: Exporter) => Feature;
}

const classifier = (summary: string, write: Network["write"]): Network => ({ summary, classifies: true, write });

export const NETWORKS: Readonly<Record<string, Network>> = {
  resnet8: classifier("image classification, 32x32x3", resnet8),
  "ds-cnn": classifier("keyword spotting, 49x10", dsCnn),
  "mobilenet-v1": classifier("visual wake words, 96x96x3, width 0.25", mobilenetV1),
  "mobilenet-v1-block": classifier("two layers of MobileNetV1, 16x16x8", mobilenetV1Block),
  "mobilenet-v2-block": classifier("two blocks of MobileNetV2, 16x16x8", mobilenetV2Block),
  autoencoder: { summary: "anomaly detection, 640 values", classifies: false, write: autoencoder },
  mlp: classifier("tabular data, 16 features", mlp),
};

/** Depth, blocks on the edge. */
const HYBRIDS: Readonly<Record<string, readonly [number, number]>> = {
  "resnet8-4e": [8, 2],
  "resnet20-12e": [20, 6],
  "resnet32-20e": [32, 10],
};

export interface ZooOptions {
  /** Default: `trainer` for hybrid networks, `brevitas` for the others. */
  readonly flavour?: string | undefined;
  /** Of weights and activations; first and last layers keep 8. Default: what the flavour can, at most 4. */
  readonly bits?: Bits | undefined;
  readonly seed?: number | undefined;
}

/** Names of all networks, with what they are for. */
export function zooList(): { name: string; summary: string; flavours: string[] }[] {
  const flavours = Object.keys(FLAVOURS);
  return [
    ...Object.entries(NETWORKS).map(([name, { summary }]) => ({ name, summary, flavours })),
    ...Object.entries(HYBRIDS).map(([name, [depth, blocks]]) => ({
      name,
      summary: `hybrid ResNet-${depth}, ${2 * blocks} layers on the edge, 32x32x3`,
      flavours: [TRAINER],
    })),
  ];
}

/**
 * The model of that name, the same on every machine.
 * @throws HedgeError (usage) for a network, flavour or bit width that is not offered
 */
export function zooModel(name: string, { flavour, bits, seed = 1 }: ZooOptions = {}): OnnxModel {
  const hybrid = lookUp(HYBRIDS, name);
  if (hybrid) return hybridZooModel(name, hybrid, { flavour, bits, seed });
  const network = lookUp(NETWORKS, name);
  if (!network) {
    const names = zooList().map((entry) => entry.name);
    throw new HedgeError("usage", `The zoo has no network "${name}".`, `Take one of ${names.join(", ")}.`);
  }
  const entry: FlavourEntry | undefined = lookUp(FLAVOURS, flavour ?? "brevitas");
  if (!entry) {
    const names = Object.keys(FLAVOURS).join(", ");
    throw new HedgeError("usage", `The zoo does not write ${name} as "${flavour}".`, `Take one of ${names}.`);
  }
  const widths = bits ?? defaultBits(entry);
  for (const width of bits ? [bits.weights, bits.activations] : []) {
    if (entry.bits.includes(width)) continue;
    const offered = entry.bits.length > 0 ? `Give bits of ${entry.bits.join(", ")}.` : "Leave the bits out.";
    throw new HedgeError("usage", `Flavour ${flavour ?? "brevitas"} has no ${width} bits.`, offered);
  }
  const to = new entry.exporter({ bits: widths, seed });
  return to.finish(network.write(to), name, network.classifies);
}

function hybridZooModel(name: string, [depth, blocks]: readonly [number, number], options: ZooOptions): OnnxModel {
  const { flavour = TRAINER, bits, seed } = options;
  if (flavour !== TRAINER)
    throw new HedgeError("usage", `The zoo does not write ${name} as "${flavour}".`, `Take flavour ${TRAINER}.`);
  if (bits && (bits.weights !== 1 || bits.activations !== 1))
    throw new HedgeError("usage", `${name} has 1-bit weights and activations only.`, "Leave the bits out.");
  return hybridModel(hybridResNet(depth, blocks, 2), { name, seed });
}

function lookUp<T>(table: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined;
}

function defaultBits({ bits }: FlavourEntry): Bits {
  const width = bits.includes(4) ? 4 : 8;
  return { weights: width, activations: width };
}
