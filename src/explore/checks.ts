/** What must hold for every sample, or the compiler has a defect. */
import type { Evaluation } from "./evaluate.ts";

export interface Check {
  readonly name: string;
  readonly holds: boolean;
  /** "9998 of 10000": how often it did. */
  readonly found: string;
}

export function checksOf(evaluation: Omit<Evaluation, "checks">): Check[] {
  const checks: Check[] = [];
  const all = (name: string, good: number, of: number) =>
    checks.push({ name, holds: good === of, found: `${good} of ${of}` });
  for (const edge of evaluation.edges) {
    if (edge.kind === evaluation.truth) continue;
    const against = `${edge.kind} = ${evaluation.truth}`;
    all(`${against}: labels`, edge.labels, edge.samples);
    all(`${against}: logits`, edge.logits, edge.samples);
    all(`${against}: exit decisions, but at the threshold`, edge.decisions + edge.closeDecisions, edge.samples);
    if (edge.comparedPayloads > 0) all(`${against}: payload bytes`, edge.payloads, edge.comparedPayloads);
  }
  const { payloads, enginesIdentical, halves, offload } = evaluation;
  if (payloads) all("payload bytes of every sample", payloads.identical, payloads.samples);
  if (enginesIdentical) all("engines identical to the bit", enginesIdentical.identical, enginesIdentical.samples);
  if (halves) all("edge + cloud = whole model: labels", halves.labels, halves.samples);
  if (offload) {
    all("offloaded path: samples answered", offload.offloaded - offload.lost, offload.offloaded);
    all("offloaded path: labels", offload.labels, offload.samples);
  }
  return checks;
}
