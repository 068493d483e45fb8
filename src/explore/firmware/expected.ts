/** What a device has to answer: the edge part on the host's wasm3, the cloud part on onnxruntime. */
import { crc32 } from "node:zlib";
import type { Bundle } from "../../bundle/bundle.ts";
import { requireHybrid } from "../../bundle/manifest.ts";
import { type EdgeResult, ENTROPY_SCALE } from "../../engine/engine.ts";
import { openEngine } from "../../engine/open.ts";
import { CloudHalf } from "../cloud-half.ts";
import { argMax } from "../entropy.ts";

export interface ExpectedSample {
  readonly image: Int8Array;
  readonly edge: EdgeResult;
  /** The final label: the exit's, or the cloud's. */
  readonly label: number;
  /** As Answer frames have it. */
  readonly check: number;
}

export interface ExpectedRun {
  readonly bundle: Bundle;
  /** Of the exit, in 2^-16 nats. */
  readonly threshold: number;
  readonly samples: readonly ExpectedSample[];
}

/**
 * @param threshold of the exit, in 2^-16 nats. Default: the median of the images' entropies, so that half of them exit
 * @throws HedgeError (input) for an edge-only model
 */
export async function expectRun(
  bundle: Bundle,
  images: readonly Int8Array[],
  threshold?: number,
): Promise<ExpectedRun> {
  requireHybrid(bundle.manifest);
  const engine = openEngine(bundle, "wasm3");
  const cloud = await CloudHalf.open(bundle, { threads: 1 });
  try {
    const chosen = threshold ?? median(images.map((image) => engine.classify(image).entropy));
    engine.threshold = chosen / ENTROPY_SCALE;
    const samples: ExpectedSample[] = [];
    for (const image of images) {
      const edge = engine.classify(image);
      const label = edge.payload ? argMax(await cloud.run([edge.payload])) : edge.label;
      samples.push({ image, edge, label, check: checkOf(edge) });
    }
    return { bundle, threshold: chosen, samples };
  } finally {
    engine.close();
    await cloud.close();
  }
}

/** CRC-32 of the result's row as it lies in the module's memory, then of the payload where there is one. */
function checkOf({ label, exited, entropy, logits, payload }: EdgeResult): number {
  const words = [label, exited ? 1 : 0, entropy, ...logits];
  const row = Buffer.alloc(4 * words.length);
  for (const [i, word] of words.entries()) row.writeInt32LE(word, 4 * i);
  return payload ? crc32(payload, crc32(row)) : crc32(row);
}

/** The upper one where there are two: half of the values are below it. */
function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}
