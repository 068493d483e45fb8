/**
 * Folds whatever stands element by element between a tensor on a grid and a quantiser into one integer operator: thresholds for few levels
 * (Umuroglu et al. 2017, FINN, section 4.2.2), a multiplication, an addition and a shift where such reproduce every boundary between
 * levels, a table where the input has few integers. The chain is evaluated, not analysed, so that the fold is exact for any operators
 * and rounding mode by construction.
 */
import { HedgeError } from "../errors.ts";
import { type GraphBuilder, rewriteGraph } from "../graph/build.ts";
import { type Graph, type Node, numberOr, perChannelOf, tensorOf } from "../graph/graph.ts";
import { type Grid, isExact, isPowerOfTwo, largestInteger } from "../graph/grid.ts";
import { operatorOf } from "../graph/operators/index.ts";
import { integersOf, MAX_TABLE } from "../graph/operators/lut.ts";
import { joined, refusedInto } from "../problems.ts";
import { type Boundaries, boundariesOf, movedBoundaries } from "./boundaries.ts";
import { type Folded, lutOf, requantOf, thresholdOf } from "./folded.ts";
import { freeName } from "./free-name.ts";
import { isQuantiser, type Levels, levelsOf } from "./levels.ts";
import type { Notes } from "./notes.ts";
import { evaluatePointwise, type Pointwise, type Precision, pointwiseOf } from "./pointwise.ts";
import { tabulates } from "./storage.ts";

/** Levels that thresholds may tell apart, and those up to which they are cheaper than a multiplication. */
const MAX_LEVELS = 16;
const FEW_LEVELS = 4;
/** Levels of which each boundary is looked for; of more (16 bits), as many, evenly spread. */
const MAX_BOUNDARIES = 256;
/** The largest integer that bisection takes. */
const MAX_INTEGER = 2 ** 31;

/** A quantiser, and the chain from a tensor on a grid to it. */
export interface Fold {
  readonly graph: Graph;
  readonly quantiser: Node;
  readonly chain: Pointwise;
  readonly grid: Grid;
  readonly levels: Levels;
  /** One where all channels have the same function. */
  readonly channels: number;
}

/** @throws HedgeError (input) naming every quantiser whose chain does not fold */
export function foldChains(graph: Graph, notes: Notes = []): Graph {
  const refused: HedgeError[] = [];
  const folded = rewriteGraph(graph, (node, builder) => {
    const fold = foldOf(graph, builder, node);
    const stages = fold && refusedInto(refused, () => (needsTwoStages(fold) ? twoStages(fold) : [lowered(fold)]));
    if (!stages) {
      builder.copy(node, graph);
      return;
    }
    let source = fold.chain.source.name;
    for (const [i, { op, constants, attributes, note }] of stages.entries()) {
      if (note) notes.push({ pass: "fold-chains", node: node.name, message: note });
      const output = i === stages.length - 1 ? node.output : freeName(graph, builder, `${node.output}.levels`);
      const names = constants.map(({ role, shape, values }) =>
        builder.constant(`${output}.${role}`, shape, values, { step: 1, ...extremes(values) }),
      );
      source = builder.node(op, [source, ...names], output, attributes, node.name);
    }
  });
  if (refused.length > 0) throw joined(`${refused.length} quantisers do not become integer operators:`, refused);
  return folded;
}

function extremes(values: readonly number[]): { min: number; max: number } {
  return values.reduce(({ min, max }, v) => ({ min: Math.min(min, v), max: Math.max(max, v) }), { min: 0, max: 0 });
}

/** What is folded; undefined for nodes that stay as they are. */
function foldOf(graph: Graph, builder: GraphBuilder, node: Node): Fold | undefined {
  if (!isQuantiser(node)) return undefined;
  const chain = pointwiseOf(graph, node.inputs[0]!);
  const { name, shape } = chain.source;
  // Narrower than before, where what makes it has been folded.
  const { grid } = builder.tensor(name);
  const levels = levelsOf(graph, node);
  if (!grid || !levels || largestInteger(grid) >= MAX_INTEGER || isKernelsOwn(graph, node, chain)) return undefined;
  const uniform = chain.uniform && ["scale", "zero"].every((key) => isSingle(node, key));
  return { graph, quantiser: node, chain, grid, levels, channels: uniform ? 1 : shape[0]! };
}

function isSingle(node: Node, key: string): boolean {
  const value = node.attributes[key];
  return value === undefined || typeof value === "number" || new Set(perChannelOf(node, key)).size === 1;
}

/**
 * Whether kernels end with this quantiser as it is: a mere shift, rounding down from one power of two to a coarser one, behind nothing
 * or a multiplication that stays on the grid. A quantiser that says again what the model's input is names that input's grid.
 */
function isKernelsOwn(graph: Graph, node: Node, { source, nodes }: Pointwise): boolean {
  if (node.op !== "quant") return false;
  const input = tensorOf(graph, node.inputs[0]!).grid;
  const output = tensorOf(graph, node.output).grid;
  if (!input || !output || numberOr(node, "zero", 0) !== 0) return false;
  const same = input.step === output.step && input.min === output.min && input.max === output.max;
  if (source.name === graph.input && nodes.length === 0 && same) return true;
  const shifts = isExact(input) && isPowerOfTwo(output.step) && output.step >= input.step;
  const scaled = nodes.length === 0 || (nodes.length === 1 && nodes[0]!.op === "mul");
  return shifts && scaled && node.attributes.rounding === "FLOOR" && numberOr(node, "zeroAfterRounding", 0) === 0;
}

/** Levels at halves, too many for thresholds, of a sum. */
function needsTwoStages({ levels, grid, chain }: Fold): boolean {
  return !Number.isInteger(levels.offset) && levels.count > MAX_LEVELS && chain.monotone && !tabulates(grid);
}

/** Whole levels, half a level higher, are requantised to; a table makes odd integers of half the step of them. */
function twoStages(fold: Fold): Folded[] {
  const { scale, offset, count } = fold.levels;
  const raised = lowered({ ...fold, levels: { scale, count, offset: offset + 0.5 } });
  const [low, high] = [Number(raised.attributes.low), Number(raised.attributes.high)];
  const values = Array.from({ length: high - low + 1 }, (_, i) => 2 * (low + i) - 1);
  const table = { role: "table", shape: [1, values.length], values };
  return [raised, { op: "lut", constants: [table], attributes: { scale: scale / 2, zero: 0 } }];
}

function lowered(fold: Fold): Folded {
  const { graph, quantiser, chain, grid, levels } = fold;
  const integers = integersOf(grid);
  if (!chain.monotone) {
    if (tabulates(grid)) return lutOf(fold, levelFunction(fold, "double"));
    throw new HedgeError(
      "input",
      `Node "${quantiser.name}" quantises a function of "${chain.source.name}" that need neither rise nor fall, of ${integers} integers; a table has at most ${MAX_TABLE}.`,
      `Quantise "${chain.source.name}" to 8 bits.`,
      { code: "H302" },
    );
  }
  const looked = levelsLookedFor(levels);
  const all = looked.length === levels.count - 1;
  const boundaries = boundariesOf(grid, fold.channels, looked, levelFunction(fold, "double"), all);
  const decided = decidedByRounding(fold, boundaries);
  const cheap = levels.count <= FEW_LEVELS || graph.outputs.includes(quantiser.output);
  const own = thresholdOrElse(cheap) ?? requantOf(fold, boundaries, "exact");
  const folded =
    own ??
    (tabulates(grid) ? lutOf(fold, levelFunction(fold, "double")) : undefined) ??
    thresholdOrElse(true) ??
    requantOf(fold, boundaries, "closest")!;
  const note = [folded.note, decided].filter((part) => part !== undefined).join(" ");
  return note === "" ? folded : { ...folded, note };

  function thresholdOrElse(wanted: boolean): Folded | undefined {
    return wanted && levels.count <= MAX_LEVELS ? thresholdOf(fold, boundaries) : undefined;
  }
}

function levelsLookedFor({ count }: Levels): number[] {
  const looked = Math.min(count - 1, MAX_BOUNDARIES);
  return Array.from({ length: looked }, (_, i) => 1 + Math.round((i * (count - 2)) / Math.max(1, looked - 1)));
}

/** The level of each integer of the source, [channels, count]. */
function levelFunction(fold: Fold, precision: Precision): (integers: Float64Array) => Float64Array {
  const { graph, quantiser, chain, grid, channels } = fold;
  const { scale, offset } = levelsOf(graph, quantiser)!;
  return (integers) => {
    // A function of one level has no boundaries, so that none are asked about.
    if (integers.length === 0) return integers;
    const shape = [channels, 1, integers.length / channels];
    const x = integers.map((n) => n * grid.step);
    const values = evaluatePointwise(graph, chain, x, channels, precision);
    const levelOf = operatorOf(quantiser.op)
      .run(quantiser, [{ shape, values }], shape)
      .map((value) => Math.round(value / scale - offset));
    if (!levelOf.every(Number.isFinite))
      throw new HedgeError(
        "input",
        `Node "${quantiser.name}" quantises values that are not finite, computed from "${chain.source.name}".`,
        "Look for parameters that are not finite, or divisions by zero, in front of it.",
        { code: "H306" },
      );
    return levelOf;
  };
}

/**
 * Where float32 rounding decides about a level, runtimes need not agree with the module. Hybrid models promise that they do, for their cloud
 * runs on one: there it is an error, on grids of powers of two. Elsewhere they agree within a tolerance anyway: a note.
 */
function decidedByRounding(fold: Fold, boundaries: Boundaries): string | undefined {
  const { graph, quantiser, chain, grid, channels, levels } = fold;
  if (chain.nodes.length === 0 || levels.count - 1 > MAX_BOUNDARIES) return undefined;
  const moved = movedBoundaries(boundaries, levelFunction(fold, "single"));
  const c = moved.findIndex((count) => count > 0);
  if (c < 0) return undefined;
  const promised = graph.outputs.length > 1 && isExact(grid) && isPowerOfTwo(levels.scale);
  if (!promised) {
    const [some, all] = [moved.reduce((sum, n) => sum + n), boundaries.levels.length * channels];
    return `Rounding to float32 moves ${some} of ${all} boundaries between levels of "${quantiser.name}".`;
  }
  const node = chain.nodes.findLast(({ op }) => op === "batchNorm") ?? chain.nodes.at(-1)!;
  throw new HedgeError(
    "input",
    `Node "${node.name}" puts channel ${c} of "${chain.source.name}" so close to a quantisation boundary that float32 rounding decides it.`,
    "Move the batch norm's bias by a thousandth of the input's step (our trainer's export does so).",
    { code: "H301" },
  );
}
