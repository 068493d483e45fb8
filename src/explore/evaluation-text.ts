/** An evaluation for people (tables) and for records (figure lines). */
import Table from "cli-table3";
import type { EdgeReport, Evaluation } from "./evaluate.ts";

const percent = (share: number): string => `${(100 * share).toFixed(2)} %`;

/** Tables of accuracy, agreement and checks. */
export function evaluationText(evaluation: Evaluation): string {
  const { accuracy, edges, samples, threshold, checks } = evaluation;
  const lines = [`${evaluation.model} on ${samples} images, exit at entropy < ${threshold}`, accuracyTable(evaluation)];
  if (edges.length > 0) lines.push(`Agreement with ${evaluation.truth}:`, edgeTable(edges));
  if (evaluation.halves) {
    const { largestDifference } = evaluation.halves;
    lines.push(
      `Largest difference between the halves' logits and the whole model's: ${largestDifference.toPrecision(2)}`,
    );
  }
  if (evaluation.offload) {
    const { offloaded, bytesPerOffload, samples: sent } = evaluation.offload;
    const bytes = bytesPerOffload.toFixed(0);
    lines.push(`Offloaded path: ${offloaded} of ${sent} samples went to the worker, ${bytes} bytes each`);
  }
  lines.push("Checks:", ...checks.map(({ name, holds, found }) => `  ${holds ? "ok  " : "FAIL"} ${name}: ${found}`));
  return [...lines, `coverage ${percent(accuracy.coverage)}, system accuracy ${percent(accuracy.system)}`].join("\n");
}

function accuracyTable({ accuracy }: Evaluation): string {
  const table = new Table({ head: ["", "accuracy"], style: { head: [], border: [] }, colAligns: ["left", "right"] });
  table.push(
    ["exit alone", percent(accuracy.exit)],
    ["full depth alone", percent(accuracy.final)],
    [`answered on the device (${percent(accuracy.coverage)})`, percent(accuracy.exited)],
    [`offloaded (${percent(1 - accuracy.coverage)})`, percent(accuracy.offloaded)],
    ["system", percent(accuracy.system)],
  );
  return table.toString();
}

function edgeTable(edges: readonly EdgeReport[]): string {
  const table = new Table({
    head: ["", "images", "labels", "logits", "decisions", "at threshold", "payloads", "entropy error", "ms/image"],
    style: { head: [], border: [] },
    colAligns: ["left", ...new Array(8).fill("right")],
  });
  for (const edge of edges) {
    table.push([
      edge.kind,
      edge.samples,
      edge.labels,
      edge.logits,
      edge.decisions,
      edge.closeDecisions,
      `${edge.payloads}/${edge.comparedPayloads}`,
      edge.entropyError.toExponential(1),
      edge.msPerSample.toFixed(1),
    ]);
  }
  return table.toString();
}

/** `figure NAME VALUE UNIT` lines. Agreement is that of the engine which agrees least. */
export function evaluationFigures(evaluation: Evaluation): string[] {
  const { accuracy, edges, enginesIdentical } = evaluation;
  const engines = edges.filter(({ kind }) => kind !== "reference" && kind !== evaluation.truth);
  const least = (count: (edge: EdgeReport) => number) => Math.min(...engines.map((edge) => count(edge) / edge.samples));
  const figure = (name: string, value: number, unit: string) => `figure ${name} ${value} ${unit}`;
  const share = (name: string, value: number) => figure(name, Number((100 * value).toFixed(4)), "%");
  return [
    ...(engines.length > 0
      ? [
          share(
            "eval.agreement",
            least((edge) => edge.labels),
          ),
        ]
      : []),
    ...(engines.length > 0
      ? [
          share(
            "eval.decisions",
            least((edge) => edge.decisions),
          ),
        ]
      : []),
    share("eval.coverage", accuracy.coverage),
    share("eval.accuracy.system", accuracy.system),
    share("eval.accuracy.float", accuracy.final),
    ...(enginesIdentical
      ? [figure("eval.engines_identical", enginesIdentical.identical === enginesIdentical.samples ? 1 : 0, "bool")]
      : []),
  ];
}
