/**
 * Folds batch norm followed by a quantiser into integer thresholds per channel (Umuroglu et al. 2017, FINN, section 4.2.2), and
 * a quantiser that reads a grid directly likewise. Each channel's function is evaluated on every integer that can occur,
 * so that the fold is exact for any rounding mode by construction.
 */
import { HedgeError } from "../errors.ts";
import { rewriteGraph } from "../graph/build.ts";
import { consumersOf, type Graph, type Node, numberOf, producerOf, type Tensor, tensorOf } from "../graph/graph.ts";
import type { Grid } from "../graph/grid.ts";
import { operatorOf } from "../graph/operators/index.ts";
import { rangeOf } from "../graph/operators/quant.ts";

/** Above this many integers per channel the thresholds would not fit a device anyway. */
const MAX_INTEGERS = 1 << 16;
/** Above this many in all channels a compilation would take minutes: 16 bits in 64 channels. */
const MAX_EVALUATIONS = 1 << 22;
const MAX_LEVELS = 16;

export function foldBatchNorm(graph: Graph): Graph {
  const folded = new Set<string>();
  for (const node of graph.nodes)
    if (
      node.op === "batchNorm" &&
      consumersOf(graph, node.output).every((reader) => levelsOf(reader)) &&
      !graph.outputs.includes(node.output) &&
      tensorOf(graph, node.inputs[0]!).grid
    )
      folded.add(node.output);
  return rewriteGraph(graph, (node, builder) => {
    if (folded.has(node.output)) return;
    const norm = node.inputs.length > 0 && folded.has(node.inputs[0]!) ? producerOf(graph, node.inputs[0]!) : undefined;
    const source = tensorOf(graph, (norm ?? node).inputs[0] ?? node.output);
    const levels = levelsOf(node);
    const foldable = norm !== undefined || node.op === "bipolarQuant";
    if (!levels || !foldable || !source.grid) {
      builder.copy(node, graph);
      return;
    }
    const { thresholds, rising } = thresholdsOf({ graph, quantiser: node, norm, source, grid: source.grid, levels });
    const table = builder.constant(`${node.output}.thresholds`, [rising.length, levels.count - 1], thresholds);
    builder.node(
      "threshold",
      [source.name, table],
      node.output,
      { rising, scale: levels.scale, offset: levels.offset, inputStep: source.grid.step },
      node.name,
    );
  });
}

interface Levels {
  readonly count: number;
  /** Value of level q: (q + offset) * scale. */
  readonly scale: number;
  readonly offset: number;
}

function levelsOf(node: Node): Levels | undefined {
  if (node.op === "bipolarQuant") return { count: 2, scale: 2 * numberOf(node, "scale"), offset: -0.5 };
  if (node.op !== "quant") return undefined;
  const { low, high } = rangeOf(node);
  const count = high - low + 1;
  return count > MAX_LEVELS
    ? undefined
    : { count, scale: numberOf(node, "scale"), offset: low - numberOf(node, "zero") };
}

/** One quantiser to fold, with or without the batch norm in front of it. */
interface Fold {
  readonly graph: Graph;
  readonly quantiser: Node;
  readonly norm: Node | undefined;
  /** What is quantised, or normalised first, and its grid. */
  readonly source: Tensor;
  readonly grid: Grid;
  readonly levels: Levels;
}

function thresholdsOf(fold: Fold) {
  const { quantiser, source, grid, levels } = fold;
  const integers = grid.max - grid.min + 1;
  if (integers > MAX_INTEGERS)
    throw new HedgeError(
      "input",
      `Node "${quantiser.name}" quantises a tensor with ${integers} possible values per channel; thresholds need at most ${MAX_INTEGERS}.`,
      "Quantise its input to 16 bits or fewer.",
    );
  const channels = source.shape[0]!;
  if (channels * integers > MAX_EVALUATIONS)
    throw new HedgeError(
      "input",
      `Node "${quantiser.name}" quantises ${channels} channels of ${integers} possible values each, too many to tabulate.`,
      "Quantise its input to 8 bits.",
    );
  const thresholds: number[] = [];
  const rising: number[] = [];
  for (let c = 0; c < channels; c++) {
    const level = levelTable(fold, c);
    const rises = level[0]! <= level[integers - 1]!;
    const ordered = rises ? level : level.toReversed();
    const first = rises ? grid.min : -grid.max - 1;
    if (ordered.some((value, i) => i > 0 && value < ordered[i - 1]!))
      throw new Error(`node "${quantiser.name}": the quantiser of channel ${c} is not monotone`);
    rising.push(rises ? 1 : 0);
    for (let k = 1; k < levels.count; k++) {
      const reached = ordered.findIndex((value) => value >= k);
      thresholds.push(first + (reached < 0 ? integers : reached));
    }
  }
  return { thresholds, rising };
}

/** The level of one channel for each integer of the grid, ascending. */
function levelTable({ graph, quantiser, norm, source, grid, levels }: Fold, c: number) {
  const integers = grid.max - grid.min + 1;
  const shape = [1, 1, integers];
  const x = Float64Array.from({ length: integers }, (_, i) => (grid.min + i) * grid.step);
  let exact: Float64Array = x;
  let single: Float64Array = x;
  if (norm) {
    const parameters = norm.inputs.slice(1).map((name) => Float64Array.of(tensorOf(graph, name).values![c]!));
    const inputs = [x, ...parameters].map((values, i) => ({ shape: i === 0 ? shape : [1], values }));
    exact = operatorOf("batchNorm").run(norm, inputs, shape);
    single = batchNormInSinglePrecision(x, parameters, numberOf(norm, "epsilon"));
  }
  const quantise = (values: Float64Array) =>
    operatorOf(quantiser.op)
      .run(quantiser, [{ shape, values }], shape)
      .map((value) => Math.round(value / levels.scale - levels.offset));
  const level = quantise(exact);
  const disagreement = quantise(single).findIndex((value, i) => value !== level[i]);
  if (disagreement >= 0)
    throw new HedgeError(
      "input",
      `Node "${norm?.name}" puts channel ${c} of "${source.name}" so close to a quantisation boundary at ${x[disagreement]} that float32 rounding decides it.`,
      "Move the batch norm's bias by a thousandth of the input's step (our trainer's export does so).",
    );
  return level;
}

/** The form that float32 runtimes use: one multiplication and one addition with precomputed factors. */
function batchNormInSinglePrecision(
  x: Float64Array,
  [gamma, beta, mean, variance]: Float64Array[],
  epsilon: number,
): Float64Array {
  const f = Math.fround;
  const scale = f(gamma![0]! / f(Math.sqrt(f(variance![0]! + f(epsilon)))));
  const shift = f(beta![0]! - f(mean![0]! * scale));
  return x.map((value) => f(f(value * scale) + shift));
}
