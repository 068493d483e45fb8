/** How a sample ends: with an exit and a payload, or with the one output of an edge-only model. */
import { HedgeError } from "../errors.ts";
import type { Node } from "../graph/graph.ts";
import { payloadBytes } from "../wire/payload.ts";
import type { Draft } from "./draft.ts";
import { draftDenseExit } from "./exit.ts";
import { draftExitDecision } from "./exit-decision.ts";
import type { Matcher } from "./matcher.ts";
import { nativePayload } from "./native-exit.ts";
import { draftOutputs } from "./outputs.ts";
import { draftPack, packCode } from "./pack.ts";
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
  const { payload, drafts } = endingOfCut(match, cut, kernels);
  const exit = firstOf([() => draftDenseExit(match, first, tables), () => draftExitDecision(match, first, tables)]);
  return { drafts: [exit, ...drafts], payload, logitStep: match.tensor(first).grid!.step };
}

/** The payload: thresholds of a stored stream, the integers of a stored tensor, or such a tensor as it is. */
function endingOfCut(
  match: Matcher,
  cut: string,
  kernels: KernelProfile,
): Required<Pick<Ending, "payload" | "drafts">> {
  const { shape } = match.tensor(cut);
  const payloadOf = (buffer: string, { bits, scale, offset }: PayloadCode): NonNullable<Ending["payload"]> => ({
    buffer,
    code: { bits, scale, offset, shape, bytes: payloadBytes({ shape, bits }) },
  });
  const threshold = match.maybe("threshold", cut);
  if (threshold && isSignedByteMap(match, threshold.inputs[0]!) && isWholeWidth(match, threshold)) {
    const code = payloadCode(match, cut);
    const draft = draftPayload(match, threshold, code);
    return { drafts: [kernels === "native" ? nativePayload(draft) : draft], payload: payloadOf(PAYLOAD_BUFFER, code) };
  }
  const code = packCode(match, cut);
  if (code.bits === 8 && code.low === 0) return { drafts: [], payload: payloadOf(cut, code) };
  return { drafts: [draftPack(match, cut, code)], payload: payloadOf(PAYLOAD_BUFFER, code) };
}

/** Whether the levels are all that some bits can say. */
function isWholeWidth(match: Matcher, threshold: Node): boolean {
  return [2, 4, 16].includes(match.tensor(threshold.inputs[1]!).shape[1]! + 1);
}

function isSignedByteMap(match: Matcher, name: string): boolean {
  const { grid, shape } = match.tensor(name);
  return grid !== undefined && grid.min >= -128 && grid.max <= 127 && shape.length === 3;
}

/** The first that no kernel refuses; when all are refused, why the first is. */
function firstOf(alternatives: readonly (() => Draft)[]): Draft {
  let refusal: unknown;
  for (const draft of alternatives)
    try {
      return draft();
    } catch (error) {
      if (!(error instanceof HedgeError)) throw error;
      refusal ??= error;
    }
  throw refusal;
}
