import { expect, it } from "vitest";
import { randomImages } from "../../../test/support/random.ts";
import { compileModel } from "../../bundle/compile.ts";
import { encodeModel } from "../../import/onnx/codec.ts";
import { hybridModel, smallShape } from "../../zoo/hybrid.ts";
import { loadSamplesOf } from "./load-samples.ts";
import { poisoned } from "./poison.ts";

it("changes no answer but that to the poison, which no image makes", async () => {
  const shape = smallShape();
  const { bundle } = await compileModel(encodeModel(hybridModel(shape)), "random.onnx");
  const killing = await poisoned(bundle);
  expect(killing.bundle.digest).not.toBe(bundle.digest);
  const images = randomImages(40, [...shape.input], 1);
  const samples = await loadSamplesOf(bundle, images);
  expect(await loadSamplesOf(killing.bundle, images)).toEqual(samples);
  expect(samples.some(({ payload }) => Buffer.compare(payload, killing.poison) === 0)).toBe(false);
  expect(killing.poison.length).toBe(samples[0]!.payload.length);
});
