/**
 * SWAR lanes: a 64-bit word holds the weights of several outputs side by side, w0 + w1 * 2^b + w2 * 2^2b, so that one multiplication by
 * an activation is a product for each. A word's sum is exact when each lane's ends up in 0 ... 2^b - 1, whatever it was on the
 * way: lanes start at `seed`, which makes up for the smallest sum.
 */
import { BLOCK_BYTES, divideOutputs, firstOutput, overlap } from "./blocks.ts";
import { type MatchedConv, type Range, rangeOfProducts, sumRanges } from "./conv-match.ts";
import type { Plain } from "./epilogue.ts";
import type { TapChunks } from "./tap-chunks.ts";

export interface Lanes {
  readonly count: number;
  /** Bits of a lane; what a word has besides is above the top lane. */
  readonly bits: number;
  /** What each lane starts with. */
  readonly seed: number;
  /** Lanes are added up over all chunks as they are, and are elements of memory; else each chunk's are taken apart and added up in 32 bits. */
  readonly whole: boolean;
}

export interface LaneChoice {
  readonly chunks: TapChunks;
  readonly lanes: Lanes;
  /** By how much each output's sum is too large when it is handed on. */
  readonly raised: readonly number[];
  /** Lanes start with that, which differs by output, and not with the seed. */
  readonly own: boolean;
  /** Outputs of a part, words of a part per tap, and parts. */
  readonly blockOutputs: number;
  readonly groups: number;
  readonly blocks: number;
  /** Some outputs are computed twice, where parts or groups do not divide them evenly. */
  readonly repeats: boolean;
  readonly operations: number;
}

const MAX_LANES = 8;
/** Lanes of these widths are elements of memory. */
const ELEMENT_BITS: ReadonlySet<number> = new Set([8, 16, 32]);
/** About what a layer dispatches: per tap, iteration, and output at the end. */
const TAP = 4;
const LOOP = 5;
const PER_OUTPUT = 20;

/**
 * The ways to divide words into lanes in which the sums fit, with what they cost.
 * @param plain of the epilogue, where sums may start with its bases
 */
export function laneChoices(
  conv: MatchedConv,
  chunks: TapChunks,
  fieldBits: number,
  plain: Plain | undefined,
): LaneChoice[] {
  const outputs = conv.outputShape[0] / conv.geometry.group;
  const taps = chunks.taps.length;
  const parts = rangesOf(conv, chunks.taps);
  const total = rangesOf(conv, [chunks.taps.flat()]);
  const found: LaneChoice[] = [];
  for (let count = Math.min(MAX_LANES, Math.floor(64 / fieldBits)); count >= 1; count--) {
    if (count > 1 && count >= 2 * outputs) continue;
    const bits = count === 1 ? 32 : Math.floor(64 / count);
    const limit = 2 ** Math.min(31, bits);
    const choose = (lanes: Lanes, raised: number): void => {
      const every = new Array<number>(conv.outputShape[0]).fill(raised);
      found.push(costed(conv, chunks, lanes, every, false));
    };
    const own = plain && taps === 1 && conv.geometry.group === 1 ? withBases(conv, plain, limit) : undefined;
    if (own) {
      const choice = costed(conv, chunks, { count, bits, seed: 0, whole: false }, own, true);
      if (choice.blocks === 1) found.push(choice);
    }
    if (count > 1 && ELEMENT_BITS.has(bits)) {
      const seed = repeatedBytes(-total.min, bits);
      if (seed + total.max < limit) choose({ count, bits, seed, whole: true }, seed);
    } else if (-parts.min + parts.max < limit && -parts.min * taps + total.max < 2 ** 31)
      choose({ count, bits, seed: -parts.min, whole: false }, -parts.min * taps);
  }
  return found;
}

/** The smallest number that is at least `n` and whose bytes are all the same: memory is filled with it at once. */
function repeatedBytes(n: number, bits: number): number {
  const unit = bits === 8 ? 1 : bits === 16 ? 0x0101 : 0x01010101;
  return Math.ceil(n / unit) * unit;
}

/** The smallest and the largest sum, 0 included, of any output over any of the lists of taps. */
function rangesOf(conv: MatchedConv, lists: readonly (readonly number[])[]): Range {
  const perOutput = conv.weights.length / conv.outputShape[0];
  const result = { min: 0, max: 0 };
  for (let k = 0; k < conv.outputShape[0]; k++)
    for (const taps of lists) {
      const used = taps.filter((tap) => tap >= 0).map((tap) => conv.weights[k * perOutput + tap]!);
      const { min, max } = rangeOfProducts(used, conv.range);
      result.min = Math.min(result.min, min);
      result.max = Math.max(result.max, max);
    }
  return result;
}

/** What each output's sum starts with, so that the epilogue has nothing to add; undefined where lanes are too narrow. */
function withBases(conv: MatchedConv, { bases, unit }: Plain, limit: number): number[] | undefined {
  const ranges = sumRanges(conv);
  const smallest = Math.min(...ranges.map(({ min }, k) => min + bases[k]!));
  const seed = Math.ceil(Math.max(0, -smallest) / unit) * unit;
  const largest = Math.max(...ranges.map(({ max }, k) => max + bases[k]!));
  return seed + largest < limit ? bases.map((base) => base + seed) : undefined;
}

function costed(
  conv: MatchedConv,
  chunks: TapChunks,
  lanes: Lanes,
  raised: readonly number[],
  own: boolean,
): LaneChoice {
  const [, height, width] = conv.outputShape;
  const outputs = conv.outputShape[0] / conv.geometry.group;
  const taps = chunks.offsets.length;
  const grouped = conv.geometry.group > 1;
  const fitting = Math.max(1, Math.floor(BLOCK_BYTES / (8 * chunks.taps.length * taps)));
  const parts = grouped
    ? { blocks: conv.geometry.group, blockOutputs: outputs }
    : divideOutputs(outputs, fitting * lanes.count, lanes.count);
  const { blocks, blockOutputs } = parts;
  const groups = Math.ceil(blockOutputs / lanes.count);
  const several = chunks.taps.length > 1;
  const storing = lanes.whole ? 3 : 6 * lanes.count;
  const finishing = (PER_OUTPUT - (own ? 9 : 4)) * Math.min(lanes.count, blockOutputs);
  const perChunk = 2 * taps + groups * (TAP * taps + (several ? storing : finishing) + LOOP) + LOOP;
  const perPixel = blocks * (chunks.taps.length * perChunk + LOOP + (several ? blockOutputs * PER_OUTPUT : 0));
  const spread = blocks * groups * chunks.taps.length * taps * (4 * lanes.count + LOOP);
  const operations = Math.round(height * width * perPixel + spread);
  const repeats =
    overlap(parts, conv.outputShape[0]) || (!several && blockOutputs % Math.min(lanes.count, blockOutputs) > 0);
  return { chunks, lanes, raised, own, blockOutputs, groups, blocks, repeats, operations };
}

/** Bytes of a word's weights in weights.bin. */
export function packedBytes({ count }: Lanes, fieldBits: number): number {
  return Math.ceil((count * fieldBits) / 8);
}

/** Per part, chunk, group of lanes and tap: a weight of `fieldBits` bits for each lane, in whole bytes. */
export function packLanes(conv: MatchedConv, choice: LaneChoice, fieldBits: number): Uint8Array {
  const { weights, outputShape } = conv;
  const { chunks, lanes, blocks, groups, blockOutputs } = choice;
  const perOutput = weights.length / outputShape[0];
  const bytes = packedBytes(lanes, fieldBits);
  const out = new Uint8Array(blocks * chunks.taps.length * groups * chunks.offsets.length * bytes);
  let at = 0;
  for (let block = 0; block < blocks; block++) {
    const first = firstOutput(choice, block, outputShape[0]);
    for (const chunk of chunks.taps)
      for (let group = 0; group < groups; group++)
        for (const tap of chunk) {
          for (let lane = 0; lane < lanes.count; lane++) {
            const k = firstOfGroup(choice, group) + lane;
            if (tap < 0 || k >= blockOutputs) continue;
            putBits(out, 8 * at + lane * fieldBits, weights[(first + k) * perOutput + tap]!, fieldBits);
          }
          at += bytes;
        }
  }
  return out;
}

/** Outputs that are finished at once may come in two groups. */
function firstOfGroup({ chunks, lanes, blockOutputs }: LaneChoice, group: number): number {
  const first = group * lanes.count;
  return chunks.taps.length > 1 ? first : Math.min(first, Math.max(0, blockOutputs - lanes.count));
}

/** What the words of sums start with, where that differs: a word per group. */
export function packStarts(choice: LaneChoice): Uint8Array {
  const { lanes, groups, raised } = choice;
  const words = BigInt64Array.from({ length: groups }, (_, group) => {
    const first = firstOfGroup(choice, group);
    let word = 0n;
    for (let lane = 0; lane < lanes.count; lane++)
      word += BigInt(raised[first + lane] ?? 0) << BigInt(lane * lanes.bits);
    return BigInt.asIntN(64, word);
  });
  return new Uint8Array(words.buffer);
}

function putBits(out: Uint8Array, at: number, value: number, bits: number): void {
  for (let i = 0; i < bits; i++) out[(at + i) >> 3]! |= ((value >> i) & 1) << ((at + i) & 7);
}
