/**
 * Whether boards compute what the host computes: images through a board's firmware, with a real broker and worker, held to wasm3 and onnxruntime on
 * the host: answers, exit decisions, and the payload bytes that went over the wire.
 */
import type { Answer } from "../../wire/device-frames.ts";
import type { ExpectedRun, ExpectedSample } from "./expected.ts";
import type { Lab } from "./lab.ts";
import { OffloadTap } from "./offload-tap.ts";

/** Called after each image. */
export type ImageReport = (done: number, total: number) => void;

/**
 * Sends the images of a run through a board, one after another.
 * @returns a sentence per difference; none: all is identical
 */
export async function compareRun(
  lab: Pick<Lab, "id" | "device">,
  broker: string,
  run: ExpectedRun,
  report: ImageReport,
): Promise<string[]> {
  const { samples, threshold } = run;
  const tap = await OffloadTap.open(broker, lab.id);
  try {
    await lab.device.setThreshold(threshold);
    const differences: string[] = [];
    for (const [i, expected] of samples.entries()) {
      const answer = await lab.device.sample(bytesOf(expected.image));
      differences.push(...flawsOf(answer, expected).map((flaw) => `image ${i}: ${flaw}`));
      report(i + 1, samples.length);
    }
    const payloads = samples.flatMap(({ edge }) => (edge.payload ? [edge.payload] : []));
    return [...differences, ...(await tap.differences(payloads))];
  } finally {
    await tap.close();
  }
}

export const bytesOf = (image: Int8Array): Uint8Array => new Uint8Array(image.buffer, image.byteOffset, image.length);

/** What is wrong with an answer: a phrase for each. */
export function flawsOf(answer: Answer, { edge, label, check }: ExpectedSample): string[] {
  const source = edge.exited ? "edge" : "cloud";
  const expected = { source, label, edgeLabel: edge.label, entropy: edge.entropy, check } as const;
  const keys = Object.keys(expected) as (keyof typeof expected)[];
  return keys
    .filter((key) => answer[key] !== expected[key])
    .map((key) => `${key} ${answer[key]}, not ${expected[key]}`);
}
