import { mkdir, mkdtemp, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { HedgeError } from "../../errors.ts";
import { floats, model, node, value } from "./build.ts";
import { encodeModel } from "./codec.ts";
import { readModelFile } from "./model-file.ts";
import { readNumbers } from "./tensor.ts";
import { EXTERNAL, type OnnxTensor } from "./types.ts";

let root = "";
let folder = "";
const at = (...names: string[]) => join(folder, ...names);
beforeEach(async () => {
  root ||= await mkdtemp(join(tmpdir(), "hedge-model-file-"));
  folder = await mkdtemp(join(root, "case-"));
});
afterAll(() => rm(root, { recursive: true }));

const VALUES = Float32Array.of(1.5, -2, 3, 0.25);
const DATA = Buffer.from(VALUES.buffer);

/** A tensor of two values that lie elsewhere. */
function external(name: string, entries: Record<string, string>): OnnxTensor {
  const tensor = floats(name, [2], [0, 0]);
  delete tensor.rawData;
  const externalData = Object.entries(entries).map(([key, text]) => ({ key, value: text }));
  return { ...tensor, externalData, dataLocation: EXTERNAL };
}

/** Writes and reads a model with one initialiser and the tensor of a Constant node. */
async function read(initializer: OnnxTensor, constant: OnnxTensor = floats("c", [2], [0, 0])) {
  const nodes = [
    node("Constant", [], ["c"], { value: { tensor: constant } }),
    node("Add", ["x", "w"], ["s"]),
    node("Add", ["s", "c"], ["y"]),
  ];
  const parts = { nodes, initializers: [initializer], inputs: [value("x", [1, 2])], outputs: [value("y", [1, 2])] };
  await writeFile(at("m.onnx"), encodeModel(model(parts)));
  return readModelFile(at("m.onnx"));
}

async function refusal(tensor: OnnxTensor): Promise<HedgeError> {
  const outcome = await read(tensor).catch((error: unknown) => error);
  if (!(outcome instanceof HedgeError)) throw new Error("the model was not refused", { cause: outcome });
  expect(outcome.message).toContain(`Tensor "w" in ${at("m.onnx")}`);
  return outcome;
}

describe("data in other files", () => {
  it("are read whole, or from an offset, for initialisers and for Constant nodes", async () => {
    await mkdir(at("data"));
    await writeFile(at("data", "w.bin"), DATA);
    const whole = external("w", { location: "data/w.bin", length: "8" });
    const end = external("c", { location: "./data/w.bin", offset: "8" });
    const { model: read_ } = await read(whole, end);
    expect([...readNumbers(read_.graph.initializer[0]!, "m").data]).toEqual([1.5, -2]);
    expect([...readNumbers(read_.graph.node[0]!.attribute[0]!.t!, "m").data]).toEqual([3, 0.25]);
  });

  it("belong to the model's identity", async () => {
    const tensor = external("w", { location: "w.bin", length: "8" });
    const digests = [];
    for (const first of [1, 1, 2]) {
      await writeFile(at("w.bin"), Buffer.from(Float32Array.of(first, 2).buffer));
      digests.push((await read(tensor)).sha256);
    }
    expect(digests[1]).toBe(digests[0]);
    expect(digests[2]).not.toBe(digests[0]);
  });

  it.each<[string, Record<string, string>, RegExp]>([
    ["no file named", {}, /names the data file ""/],
    ["an absolute path", { location: "/etc/passwd" }, /"\/etc\/passwd", which is not in the model's folder/],
    ["a way out of the folder", { location: "data/../../w.bin" }, /which is not in the model's folder/],
    ["the folder above", { location: ".." }, /which is not in the model's folder/],
    ["a name that ends early", { location: "w.bin\0.txt" }, /which is not in the model's folder/],
    ["a file that is missing", { location: "none.bin" }, /none\.bin does not exist/],
    ["the folder itself", { location: "." }, /is no regular file/],
    [
      "an offset behind the end",
      { location: "w.bin", offset: "17" },
      /wants the bytes from 17 on of w\.bin, which has 16/,
    ],
    ["more bytes than there are", { location: "w.bin", offset: "12", length: "8" }, /wants 8 bytes from 12 on/],
    ["a negative offset", { location: "w.bin", offset: "-4" }, /from -4 on/],
    ["an offset that is no number", { location: "w.bin", offset: "0x" }, /from 0x on/],
    ["a length that is no number", { location: "w.bin", length: "8.5" }, /wants 8\.5 bytes/],
  ])("are refused: %s", async (_, entries, message) => {
    await writeFile(at("w.bin"), DATA);
    expect(await refusal(external("w", entries))).toMatchObject({
      kind: "input",
      code: "H106",
      message: expect.stringMatching(message),
    });
  });

  it("are refused behind a link that leads out of the folder", async () => {
    await writeFile(join(root, "outside.bin"), DATA);
    await symlink(join(root, "outside.bin"), at("w.bin"));
    const error = await refusal(external("w", { location: "w.bin", length: "8" }));
    expect(error).toMatchObject({ code: "H106", message: expect.stringContaining("a link out of the model's folder") });
  });

  it("are refused when they are more than any such model has, before they are read", async () => {
    await writeFile(at("w.bin"), "");
    // Sparse: takes no space.
    await truncate(at("w.bin"), 600 << 20);
    const error = await refusal(external("w", { location: "w.bin" }));
    expect(error).toMatchObject({ code: "H102", message: expect.stringContaining("more than 536870912 bytes") });
  });

  it("that do not fill the tensor are refused by whoever reads it", async () => {
    await writeFile(at("w.bin"), DATA);
    const { model: read_ } = await read(external("w", { location: "w.bin" }));
    expect(() => readNumbers(read_.graph.initializer[0]!, "m")).toThrow("has 4 elements but its shape [2] needs 2");
  });
});

it("a model in one file has that file's digest", async () => {
  const { sha256, file } = await read(floats("w", [2], [1, 2]));
  expect([sha256.length, file]).toEqual([64, at("m.onnx")]);
  expect((await read(floats("w", [2], [1, 3]))).sha256).not.toBe(sha256);
});

it("a path that leads nowhere, or to a folder, is named", async () => {
  await expect(readModelFile(at("none.onnx"))).rejects.toThrow(/none\.onnx does not exist/);
  await expect(readModelFile(folder)).rejects.toThrow(/is no regular file/);
});
