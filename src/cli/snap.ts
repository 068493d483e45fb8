/** The snapping of a float model in front of its compilation: options, and what is said about it. */
import { type Command, InvalidArgumentError, Option } from "commander";
import type { Bundle } from "../bundle/bundle.ts";
import { HedgeError } from "../errors.ts";
import type { OutputComparison, SnapComparison } from "../explore/snap-compare.ts";
import { writeNamed } from "../files.ts";
import type { ModelFile } from "../import/onnx/model-file.ts";
import { importOptions, type ModelOptions } from "./options.ts";
import type { Progress } from "./progress.ts";

export interface SnapCommandOptions {
  readonly snap?: boolean;
  readonly calibrate?: string;
  readonly labels?: string;
  readonly snapBits?: string;
  readonly snapTensor?: ReadonlyMap<string, number>;
  readonly writeSnapped?: string;
}

const SNAP_ONLY: readonly (readonly [flag: string, key: keyof SnapCommandOptions])[] = [
  ["--calibrate", "calibrate"],
  ["--labels", "labels"],
  ["--snap-bits", "snapBits"],
  ["--snap-tensor", "snapTensor"],
  ["--write-snapped", "writeSnapped"],
];

export function addSnapOptions(command: Command): Command {
  return command
    .option("--snap", "put a float model on integer grids first; needs --calibrate")
    .option("--calibrate <samples>", "samples as the model takes them, .npy or .json: ranges come from them")
    .option("--labels <file>", "their classes, .npy or .json: then accuracies are told")
    .addOption(new Option("--snap-bits <bits>", "bits of activations, 8 by default").choices(["8", "16"]))
    .option(
      "--snap-tensor <tensor:bits>",
      "other bits for one tensor, 2 to 16 (the cut: 1, 2, 4 or 8); may be repeated",
      tensorBits,
    )
    .option("--write-snapped <file>", "write the snapped model as QONNX");
}

/** Adds `TENSOR:BITS` to those given before. */
function tensorBits(text: string, before: ReadonlyMap<string, number> = new Map()): ReadonlyMap<string, number> {
  const [, tensor, bits] = /^(.+):(\d+)$/.exec(text) ?? [];
  if (!tensor || !(Number(bits) >= 1 && Number(bits) <= 16))
    throw new InvalidArgumentError("Write TENSOR:BITS, with 2 to 16 bits, or 1 for the cut.");
  return new Map([...before, [tensor, Number(bits)]]);
}

/** A snapped model, ready to be compiled, and what there is to say of it. */
export interface SnappedFile {
  readonly source: ModelFile;
  readonly comparison: SnapComparison;
  /** Holds the module to the snapped model: on how many samples it is equal. */
  readonly check: (bundle: Bundle) => Promise<number>;
}

/**
 * @returns undefined where nothing is to be snapped
 * @throws HedgeError (usage) for options that need others
 */
export async function snapFirst(
  path: string,
  options: SnapCommandOptions & ModelOptions,
  progress: Progress,
): Promise<SnappedFile | undefined> {
  if (!options.snap) {
    const stray = SNAP_ONLY.find(([, key]) => options[key] !== undefined);
    if (stray) throw new HedgeError("usage", `${stray[0]} goes with --snap.`, "Add --snap.");
    return undefined;
  }
  if (options.calibrate === undefined)
    throw new HedgeError("usage", "--snap needs samples.", "Add --calibrate SAMPLES, an .npy or .json file.");
  const [{ snapModel }, { compareSnapped }, { equalSamples }, sets, files, { encodeModel }, { findInput }] =
    await Promise.all([
      import("../explore/snap.ts"),
      import("../explore/snap-compare.ts"),
      import("../explore/snap-check.ts"),
      import("../explore/sample-set.ts"),
      import("../import/onnx/model-file.ts"),
      import("../import/onnx/codec.ts"),
      import("../import/model-input.ts"),
    ]);
  progress.update("reading samples");
  const { model } = await files.readModelFile(path);
  const samples = await sets.readSampleSet(options.calibrate, findInput(model, path).dims);
  const labels = options.labels === undefined ? undefined : await sets.readLabelList(options.labels, samples.length);
  progress.update(`snapping, by ${samples.length} samples`);
  const snapped = await snapModel(model, path, samples, {
    ...importOptions(options),
    bits: Number(options.snapBits ?? 8),
    ...(options.snapTensor && { bitsOf: options.snapTensor }),
  });
  const bytes = encodeModel(snapped.model);
  if (options.writeSnapped !== undefined) await writeNamed(options.writeSnapped, bytes);
  progress.update(`comparing the original and the snapped model on ${samples.length} samples`);
  return {
    source: files.modelFile(bytes, options.writeSnapped ?? path),
    comparison: await compareSnapped(model, snapped, path, samples, labels),
    check: (bundle) => equalSamples(bundle, snapped, path, samples),
  };
}

/** What snapping did to the model, and whether the module is the snapped one. */
export function snapText({ samples, exit, ...whole }: SnapComparison, equal: number): string[] {
  const percent = (count: number): string => `${((100 * count) / samples).toFixed(1)} %`;
  const lines = ({ agreeing, correct, relativeError }: OutputComparison, of: string): string[] => [
    ...(correct
      ? [
          `  ${of}accuracy of the original ${percent(correct.original)}, of the snapped model ${percent(correct.snapped)}`,
        ]
      : []),
    `  ${of}snapped: the original's label on ${percent(agreeing)} of ${samples} samples, outputs off by ${(100 * relativeError).toFixed(1)} %`,
  ];
  return [
    ...(exit ? [...lines(exit, "exit: "), ...lines(whole, "whole network: ")] : lines(whole, "")),
    `  the module is the snapped model on ${equal} of ${samples} samples`,
  ];
}
