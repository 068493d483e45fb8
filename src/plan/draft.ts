/** Planning in two rounds: drafts say what buffers a layer needs; once memory is placed they become layers. */
import type { DiagnosticCode } from "../diagnostics.ts";
import { HedgeError } from "../errors.ts";
import type { Layer, Region, WeightSlice } from "./plan.ts";

/** A buffer by name; the same name from several drafts is the same bytes. */
export interface BufferRequest {
  readonly name: string;
  readonly bytes: number;
}

export interface Draft {
  readonly name: string;
  /** Buffers that the layer touches, its scratch area included. */
  readonly buffers: readonly BufferRequest[];
  /** What the layer reads from weights.bin, already packed. */
  readonly weights: Uint8Array;
  /** A stream whose buffer the output may take, or must: then nothing may read the stream later. */
  readonly replaces?: { readonly stream: string; readonly must: boolean } | undefined;
  /** About how many operations wasm3 dispatches for the layer; of several kernels the cheapest is taken. */
  readonly operations: number;
  /** Why this is the right kernel, in a few words. */
  readonly why: string;
  readonly finish: (region: (name: string) => Region, weights: WeightSlice) => Layer;
}

/** The name of a buffer that is no tensor. Tensors' names hold no tab: import refuses control characters. */
export function bufferName(purpose: string, tensor = ""): string {
  return `${purpose}\t${tensor}`;
}

/** Where the host writes the image. */
export const INPUT_BUFFER = bufferName("input");

/** Buffers are read in 8-byte words: a word may begin in a buffer's last byte. */
export const SLACK = 8;

export function noKernel(
  message: string,
  remedy = "Compare the model with docs/model-format.md, or train it with tools/train.",
  code: DiagnosticCode = "H401",
): never {
  throw new HedgeError("input", `${message}.`, remedy, { code });
}
