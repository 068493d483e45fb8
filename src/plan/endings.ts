/** How a sample ends: with an exit and a payload, or with the one output of an edge-only model. */
import { payloadBytes } from "../wire/payload.ts";
import type { Draft } from "./draft.ts";
import { draftDenseExit } from "./exit.ts";
import type { Matcher } from "./matcher.ts";
import { nativePayload } from "./native-exit.ts";
import { draftOutputs } from "./outputs.ts";
import { draftPayload, PAYLOAD_BUFFER, type PayloadCode, payloadCode } from "./payload.ts";
import type { OutputSpec, WeightSlice } from "./plan.ts";
import type { KernelProfile } from "./profile.ts";

export interface Ending {
  /** The layers that write what the host reads, in the order in which they run. */
  readonly drafts: readonly Draft[];
  /** Hybrid models: the buffer that holds the payload, and what it means. */
  readonly payload?: {
    readonly buffer: string;
    readonly code: PayloadCode & { shape: readonly number[]; bytes: number };
  };
  readonly logitStep?: number;
  readonly output?: OutputSpec;
}

/** @param tables where the tables of the exit rule lie in weights.bin */
export function draftEndings(match: Matcher, tables: WeightSlice, kernels: KernelProfile): Ending {
  const [first, cut] = match.graph.outputs as [string, string?];
  if (cut === undefined) {
    const { draft, spec } = draftOutputs(match, first);
    return { drafts: [draft], output: spec };
  }
  const code = payloadCode(match, cut);
  const packed = match.maybe("threshold", cut);
  const { shape } = match.tensor(cut);
  const payloadOf = kernels === "native" ? nativePayload : (draft: Draft): Draft => draft;
  return {
    drafts: [
      draftDenseExit(match, first, tables, !packed),
      ...(packed ? [payloadOf(draftPayload(match, packed, code))] : []),
    ],
    payload: {
      buffer: packed ? PAYLOAD_BUFFER : cut,
      code: { ...code, shape, bytes: payloadBytes({ shape, bits: code.bits }) },
    },
    logitStep: match.tensor(first).grid!.step,
  };
}
