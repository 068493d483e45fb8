/** Holding the command line to its word on bad input: one sentence (or a list), a remedy, the documented exit code, nothing on the disk. */
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { compileModel } from "../../src/bundle/compile.ts";
import { ENGINE_KINDS } from "../../src/engine/engine.ts";
import { openEngine } from "../../src/engine/open.ts";
import { EXIT_CODES } from "../../src/errors.ts";
import { compareAnswers } from "../../src/explore/answers.ts";
import { runEngine, runReference } from "../../src/explore/run-edge.ts";
import { encodeModel } from "../../src/import/onnx/codec.ts";
import { ModelEditor } from "./edit-model.ts";
import { hybridModel, smallShape } from "./hybrid-model.ts";
import { hedge, type Outcome } from "./in-process.ts";
import { randomImages } from "./random.ts";

export const LABELLED_IMAGES = "models/cifar10-test-500";
/** The model that tests spoil. */
export const SMALL = smallShape({ channels: 3 });

export function expectError({ code, out, err }: Outcome, expected: number): void {
  expect([code, out], err).toEqual([expected, ""]);
  const lines = err.trimEnd().split("\n");
  // A sentence and a remedy; between them a list, if the sentence announces one. A stack has lines of "    at ...".
  expect(lines[0]).toMatch(/^error( H\d{3})?: .*[.:]$/);
  expect(lines.at(-1)).toMatch(/^ {2}[A-Z].*\S$/);
  expect(
    lines.slice(1).every((line) => /^ {2}\S/.test(line)),
    err,
  ).toBe(true);
  expect(lines.length === 2 || lines[0]!.endsWith(":"), err).toBe(true);
}

export interface Bench {
  /** A folder of the test file's own. */
  readonly folder: string;
  /** Has `hedge compile` (or eval) refuse these bytes, and nothing left behind; returns what it said. */
  refused(bytes: Uint8Array, command?: "compile" | "eval"): Promise<string>;
}

/** Call it once, at the top of a test file. */
export function useBench(): Bench {
  let folder = "";
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "hedge-bad-input-"));
  });
  afterAll(() => rm(folder, { recursive: true }));
  return {
    get folder() {
      return folder;
    },
    async refused(bytes, command = "compile") {
      const path = join(folder, "bad.onnx");
      await writeFile(path, bytes);
      const rest = command === "compile" ? ["-o", join(folder, "out")] : ["--images", LABELLED_IMAGES];
      const outcome = await hedge(command, path, ...rest);
      expectError(outcome, EXIT_CODES.input);
      expect(outcome.err).toContain(path);
      expect(await readdir(folder)).toEqual(["bad.onnx"]);
      return outcome.err;
    },
  };
}

/** What to change in the small model, and the part of the message that says where and why. */
export type Case = [what: string, change: (edit: ModelEditor) => unknown, message: RegExp];
/** What to change in the small model, which then still compiles. */
export type Change = [what: string, change: (edit: ModelEditor) => unknown];

/** A test per case. */
export function refuses(bench: Bench, cases: readonly Case[]): void {
  it.each(cases)("%s", async (_, change, message) => {
    const edit = new ModelEditor(hybridModel(SMALL));
    change(edit);
    expect(await bench.refused(encodeModel(edit.model))).toMatch(message);
  });
}

/** A test per change: both engines answer what the reference kernels do; those of the model itself where nothing is noted as rounded. */
export function compiles(changes: readonly Change[]): void {
  it.each(changes)("%s", async (_, change) => {
    const edit = new ModelEditor(hybridModel(SMALL));
    change(edit);
    const { bundle, imported, graph, notes } = await compileModel(encodeModel(edit.model), "changed.onnx");
    const { payload, input } = bundle.manifest;
    const images = randomImages(3, input.shape as [number, number, number], 7);
    const settings = { pixelStep: input.pixelStep, threshold: 0, layout: payload, payloadBytes: payload!.bytes };
    const report = () => undefined;
    const truth = runReference(notes.length === 0 ? imported : graph, images, settings, report).answers;
    for (const kind of ENGINE_KINDS) {
      const engine = openEngine(bundle, kind, { threshold: 0 });
      const { answers } = runEngine(engine, images, report);
      engine.close();
      expect(compareAnswers(answers, truth, 0)).toMatchObject({
        labels: 3,
        logits: 3,
        comparedPayloads: 3,
        payloads: 3,
      });
    }
  });
}
