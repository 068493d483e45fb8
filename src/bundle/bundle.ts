/**
 * A bundle in memory: what the compiler makes, and what engines, devices and workers start from.
 */
import { HedgeError } from "../errors.ts";
import { checkBundle } from "./check.ts";
import { modelDigest, sha256Hex } from "./digest.ts";
import { BUNDLE_FORMAT, BUNDLE_VERSION, LIMITS, type Manifest, type ManifestDraft } from "./manifest.ts";

export interface BundleParts {
  /** The device's module. */
  readonly edgeWasm: Uint8Array;
  /** What the module asks its host to copy in; stays in flash on a device. */
  readonly weights: Uint8Array;
  /** The cloud half; absent from edge-only models. */
  readonly cloudOnnx?: Uint8Array | undefined;
}

export interface Bundle extends BundleParts {
  readonly manifest: Manifest;
  /** `manifest.digest`: 64 hexadecimal digits. */
  readonly digest: string;
}

/**
 * Seals a manifest over its parts and checks the whole as `readBundle` would. Throws HedgeError (input) when the parts
 * and the manifest contradict each other.
 */
export async function createBundle(draft: ManifestDraft, parts: BundleParts): Promise<Bundle> {
  const { edgeWasm, weights, cloudOnnx } = parts;
  const describe = (bytes: Uint8Array) => ({ bytes: bytes.length, sha256: sha256Hex(bytes) });
  const unsealed = {
    format: BUNDLE_FORMAT,
    version: BUNDLE_VERSION,
    ...draft,
    parts: {
      "edge.wasm": describe(edgeWasm),
      "weights.bin": describe(weights),
      ...(cloudOnnx ? { "cloud.onnx": describe(cloudOnnx) } : {}),
    },
  } satisfies Omit<Manifest, "digest">;
  for (const [name, part] of Object.entries(unsealed.parts)) {
    const limit = LIMITS[name as keyof typeof LIMITS];
    if (part.bytes > limit) {
      throw new HedgeError(
        "input",
        `${name} of ${draft.name} has ${part.bytes} bytes; a bundle's may have ${limit}.`,
        "Compile a smaller model.",
      );
    }
  }
  // Through JSON, so that the bundle in memory is the bundle that a reader gets (no undefined members).
  const manifest = JSON.parse(JSON.stringify({ ...unsealed, digest: modelDigest(unsealed) })) as Manifest;
  const bundle = { manifest, digest: manifest.digest, edgeWasm, weights, cloudOnnx };
  await checkBundle(bundle, draft.name);
  return bundle;
}
