/** The shipped model against the golden vectors that the trainer computed in PyTorch: every edge layer of two test images. */
import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { type Compilation, compileFile } from "../src/bundle/compile.ts";
import { runGraph } from "../src/graph/run.ts";
import { runSteps } from "./support/run-module.ts";

const FOLDER = "models/resnet20-12e6c-2bit";

interface GoldenTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: "int8" | "uint8" | "int16" | "int32" | "float32";
  readonly scale: number;
  readonly offset: number;
  readonly count: number;
}

const READERS = {
  int8: (view: DataView, i: number) => view.getInt8(i),
  uint8: (view: DataView, i: number) => view.getUint8(i),
  int16: (view: DataView, i: number) => view.getInt16(2 * i, true),
  int32: (view: DataView, i: number) => view.getInt32(4 * i, true),
  float32: (view: DataView, i: number) => view.getFloat32(4 * i, true),
};

/** Integers (value / scale) of each tensor, for one of the inputs. */
function goldenVectors(input: number): Map<string, { scale: number; values: Float64Array }> {
  const index = JSON.parse(readFileSync(`${FOLDER}/golden.json`, "utf8")) as {
    inputs: number;
    tensors: GoldenTensor[];
  };
  const bytes = readFileSync(`${FOLDER}/golden.bin`);
  return new Map(
    index.tensors.map(({ name, dtype, scale, offset, count }) => {
      const view = new DataView(bytes.buffer, bytes.byteOffset + offset);
      const per = count / index.inputs;
      const values = Float64Array.from({ length: per }, (_, i) => READERS[dtype](view, input * per + i));
      return [name, { scale, values }];
    }),
  );
}

describe.each([0, 1])("golden vector %i", (input) => {
  const golden = goldenVectors(input);
  const image = Int8Array.from(golden.get("image")!.values);
  let compilation: Compilation;
  beforeAll(async () => {
    compilation = await compileFile(`${FOLDER}/model.onnx`);
  });

  it("equals the reference kernels in every tensor, before and after the passes", () => {
    for (const graph of [compilation.imported, compilation.graph]) {
      const reference = runGraph(
        graph,
        Float64Array.from(image, (n) => n * golden.get("image")!.scale),
      );
      const compared = [...golden].filter(([name]) => name !== "image" && reference.has(name));
      expect(compared.length).toBeGreaterThan(25);
      for (const [name, { scale, values }] of compared)
        expect(
          reference.get(name)!.map((v) => v / scale),
          name,
        ).toEqual(values);
    }
  });

  it.each(["v8", "wasm3"] as const)("equals the packed layers on %s", (engine) => {
    const outputs = runSteps(compilation, engine, image);
    const streams = compilation.plan.layers.filter(({ kind }) => kind === "lane-conv" || kind === "binary-conv");
    expect(streams).toHaveLength(13);
    for (const { name, outputShape } of streams) {
      const [channels, height, width] = outputShape as [number, number, number];
      const bytes = new Int8Array(outputs.get(name)!.buffer);
      const planes = Float64Array.from(bytes, (_, i) => {
        const [c, p] = [Math.floor(i / (height * width)), i % (height * width)];
        return bytes[p * channels + c]!;
      });
      expect(planes, name).toEqual(golden.get(name)!.values);
    }
    const logits = new Int32Array(outputs.get("exit_logits")!.slice(12).buffer);
    expect(Float64Array.from(logits)).toEqual(golden.get("exit_logits")!.values);
  });
});
