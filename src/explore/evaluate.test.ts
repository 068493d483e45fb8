import { beforeAll, describe, expect, it } from "vitest";
import { randomFrom } from "../../test/support/random.ts";
import { tinyAnswer, tinyBundle } from "../../test/support/tiny-bundle.ts";
import type { Bundle } from "../bundle/bundle.ts";
import { floats, model, node, value } from "../import/onnx/build.ts";
import { encodeModel } from "../import/onnx/codec.ts";
import { evaluate } from "./evaluate.ts";

const CLOUD = [1, -2, 0.5, 3, 2, 1, -1, 0, -0.5, 0.25, 2, -1];

/** logits = CLOUD (3 x 4) * signs of the pixels */
const cloudOnnx = encodeModel(
  model({
    nodes: [node("Flatten", ["cut"], ["flat"]), node("Gemm", ["flat", "w"], ["logits"], { transB: { int: 1 } })],
    initializers: [floats("w", [3, 4], CLOUD)],
    inputs: [value("cut", ["batch", 1, 2, 2])],
    outputs: [value("logits", ["batch", 3])],
  }),
);

function finalLabel(image: Int8Array): number {
  const logits = [0, 1, 2].map((k) =>
    image.reduce((sum, pixel, i) => sum + (pixel >= 0 ? 1 : -1) * CLOUD[k * 4 + i]!, 0),
  );
  return logits.indexOf(Math.max(...logits));
}

const random = randomFrom(5);
const images = Array.from({ length: 60 }, () => Int8Array.from({ length: 4 }, () => Math.floor(random() * 256) - 128));
const labels = images.map(() => Math.floor(random() * 3));
const share = (right: boolean[]) => right.filter(Boolean).length / right.length;

describe("evaluating a bundle without its model", () => {
  let bundle: Bundle;
  beforeAll(async () => {
    bundle = await tinyBundle({ cloudOnnx });
  });
  const common = { images, labels, referenceCount: 5, threads: 1, report: () => undefined };

  it("compares the engines, finishes on the cloud half and goes through broker and worker", async () => {
    const told: string[] = [];
    const report = (what: string, done: number, total: number) => told.push(`${what} ${done}/${total}`);
    const result = await evaluate({ ...common, bundle, engines: ["v8", "wasm3"], offloadCount: 40, report });
    const edge = images.map((image) => tinyAnswer(image));
    const system = edge.map(({ exited, label }, i) => (exited ? label : finalLabel(images[i]!)));
    expect(result).toMatchObject({
      model: "tiny",
      samples: 60,
      threshold: 0.5,
      truth: "v8",
      enginesIdentical: { samples: 60, identical: 60 },
      accuracy: {
        coverage: share(edge.map(({ exited }) => exited)),
        exit: share(edge.map(({ label }, i) => label === labels[i])),
        final: share(images.map((image, i) => finalLabel(image) === labels[i])),
        system: share(system.map((label, i) => label === labels[i])),
      },
      offload: {
        samples: 40,
        offloaded: edge.slice(0, 40).filter(({ exited }) => !exited).length,
        lost: 0,
        labels: 40,
        accuracy: share(system.slice(0, 40).map((label, i) => label === labels[i])),
      },
    });
    expect(result.offload!.bytesPerOffload).toBeGreaterThan(4);
    expect(result.checks.map(({ holds }) => holds)).toEqual(result.checks.map(() => true));
    expect(result.checks.length).toBeGreaterThanOrEqual(6);
    expect(told).toContain("wasm3: image 60/60");
    expect(told).toContain("offloaded path: image 40/40");
  });

  it("takes another threshold", async () => {
    const result = await evaluate({ ...common, bundle, engines: ["v8"], offloadCount: 0, threshold: 0 });
    expect(result.accuracy.coverage).toBe(0);
    expect(result.accuracy.system).toBe(result.accuracy.final);
    expect(result.enginesIdentical).toBeUndefined();
    expect(result.offload).toBeUndefined();
  });

  it("of a model that lives on the edge alone has nothing to compare the exit with", async () => {
    const edgeOnly = await tinyBundle({ edgeOnly: true });
    await expect(evaluate({ ...common, bundle: edgeOnly, engines: ["v8"], offloadCount: 0 })).rejects.toThrow(
      /is edge-only/,
    );
  });

  it("needs images, and something to compare", async () => {
    const empty = { ...common, bundle, engines: ["v8"] as const, offloadCount: 0, images: [] };
    await expect(evaluate(empty)).rejects.toThrow(/no image/);
    await expect(evaluate({ ...common, bundle, engines: [], offloadCount: 0 })).rejects.toThrow(/nothing to compare/);
  });
});
