/**
 * The manifest of a bundle: everything a host, a device or a worker must know of a compiled model without parsing its
 * parts. Written by the compiler, checked against this schema by everyone who reads it.
 */
import { z } from "zod";
import { HedgeError } from "../errors.ts";
import { elementCount } from "../graph/graph.ts";

export const BUNDLE_FORMAT = "hedge-bundle";
export const BUNDLE_VERSION = 1;
export const MANIFEST_FILE = "manifest.json";
/** The parts of a bundle, beside the manifest. `cloud.onnx` is absent from edge-only models. */
export const PART_FILES = ["edge.wasm", "weights.bin", "cloud.onnx"] as const;
export type PartFile = (typeof PART_FILES)[number];
/** What `hedge sign` puts beside the parts: an image of them for a device. It is no part, and goes when the bundle is replaced. */
export const SLOT_FILE = "slot.bin";

/** Sizes beyond which a bundle is refused before anything is read into memory. */
export const LIMITS = {
  manifestBytes: 1 << 20,
  "edge.wasm": 1 << 20,
  "weights.bin": 16 << 20,
  "cloud.onnx": 512 << 20,
} as const;

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
/** What is shown to people holds no control characters, which terminals obey. */
const text = z.string().regex(/^\P{Cc}*$/u, "it holds a control character");
const count = z.int().nonnegative();
const shape = z.array(z.int().positive()).min(1).max(8);

const part = z.strictObject({ bytes: count, sha256 });

/** One planned layer; what `hedge inspect` prints. */
const layer = z.strictObject({
  name: text,
  kind: text,
  outputShape: shape,
  weightBits: count,
  activationBits: count,
  macs: count,
  weightBytes: count,
  activationBytes: count,
  steps: count,
});
export type LayerRow = z.infer<typeof layer>;

export const manifestSchema = z.strictObject({
  format: z.literal(BUNDLE_FORMAT),
  version: z.literal(BUNDLE_VERSION),
  /** SHA-256 over the rest of the manifest (see `modelDigest`): the model's identity, and the seal of the manifest. */
  digest: sha256,
  /** The name people see; the identity is the digest. */
  name: text.min(1).max(100),
  compiler: text,
  source: z.strictObject({ file: text, sha256 }),
  parts: z.strictObject({ "edge.wasm": part, "weights.bin": part, "cloud.onnx": part.optional() }),
  /** A sample enters as integers of one byte or two (little endian), worth `pixelStep` each: of an image they are (pixel - pixelZero). */
  input: z.strictObject({
    name: z.string(),
    /** As the graph has it: of an image channels, height, width. */
    shape,
    /** The order of the bytes where it is not the shape's: an image pixel by pixel, channels innermost. */
    layout: z.literal("HWC").optional(),
    pixelZero: z.int().min(0).max(255),
    pixelStep: z.number().positive(),
    /** The integers that the model knows, where they are not those of a pixel; signed where the first is negative. */
    range: z.tuple([z.int(), z.int()]).optional(),
    /** Bytes of an integer; 1 where absent. */
    bytes: z.literal(2).optional(),
  }),
  /** Names of the labels. Edge-only models may have none: then labels are numbers, or the output is no vector of logits. */
  classes: z.array(text).max(1000),
  /** Hybrid models have exit, payload and cloud; edge-only ones have `output` instead. */
  exit: z
    .strictObject({
      name: z.string(),
      /** The exit's logits. */
      tensor: z.string(),
      rule: z.literal("entropy"),
      /** In nats: a sample whose exit entropy is below it is answered on the device. */
      threshold: z.number().nonnegative(),
      /** A logit is an integer times this. */
      logitStep: z.number().positive(),
    })
    .optional(),
  payload: z
    .strictObject({
      tensor: z.string(),
      /** Channels, height, width of the feature map at the cut. */
      shape,
      bits: z.union([z.literal(1), z.literal(2), z.literal(4), z.literal(8)]),
      bytes: count,
      /** A level q of the payload stands for the value (q + offset) * scale. */
      scale: z.number().positive(),
      offset: z.number(),
    })
    .optional(),
  cloud: z.strictObject({ input: z.string(), output: z.string() }).optional(),
  output: z
    .strictObject({
      tensor: z.string(),
      shape,
      /** An integer n of the result stands for the value (n - zero) * step. */
      step: z.number().positive(),
      zero: z.int(),
      /** Whether it is a vector of logits, whose largest names the label. */
      labels: z.boolean(),
    })
    .optional(),
  /** The interface of edge.wasm; byte addresses in its linear memory. */
  module: z.strictObject({
    /** Linear memory that the module truly uses: the limit to give wasm3. */
    memoryBytes: count,
    /** wasm3's value stack, enough for every function of the module. */
    stackBytes: count,
    input: count,
    inputBytes: count,
    /** The exit's threshold; edge-only modules ignore it. */
    threshold: count,
    result: count,
    /** 0 in edge-only modules. */
    payload: count,
    steps: z.int().positive(),
  }),
  layers: z.array(layer).max(10_000),
});

export type Manifest = z.infer<typeof manifestSchema>;
/** What a compiler says; format, hashes and digest are added by `createBundle`. */
export type ManifestDraft = Omit<Manifest, "format" | "version" | "digest" | "parts">;
export type PayloadSpec = NonNullable<Manifest["payload"]>;

/** The manifest of a hybrid model; any other is an edge-only model's (`checkGeometry` sees to it). */
export type HybridManifest = Manifest & Required<Pick<Manifest, "exit" | "payload" | "cloud">>;

export function isHybrid(manifest: Manifest): manifest is HybridManifest {
  return manifest.output === undefined;
}

/** @throws HedgeError (input) for an edge-only model, whose device answers every sample itself */
export function requireHybrid(manifest: Manifest): HybridManifest {
  if (isHybrid(manifest)) return manifest;
  throw new HedgeError(
    "input",
    `The bundle ${manifest.name} has no cloud part: it is edge-only, and its device answers every sample itself.`,
    "Give the bundle of a hybrid model, or compile this one with --cut and --exit.",
  );
}

/** Integers of the result row behind label, exited and entropy: logits, or the elements of an edge-only model's output. */
export function resultCount({ output, classes }: Pick<Manifest, "output" | "classes">): number {
  return output ? elementCount(output.shape) : classes.length;
}
