/**
 * Whether a sample's answer depends on the batch that it is run in. onnxruntime may take another path for one row than for many, a model may
 * have a fixed batch dimension or mix its rows. So each model is tried when it is loaded, and batched within what was found to give the same
 * bits.
 */

/** How a model's samples may be batched without an answer depending on size or mates. */
export interface BatchSizes {
  /** Smaller batches are filled up to this size with the last sample. */
  readonly least: number;
  /** Most samples of a batch. */
  readonly most: number;
  /** Why they are not 1 and what was asked for; empty where they are. */
  readonly note: string;
}

/** Runs a batch of exactly these payloads: one row of logits each. Rejects where the model does not take such a batch. */
export type RunBatch = (payloads: readonly Uint8Array[]) => Promise<readonly Float32Array[]>;

/** Every size up to this is tried; beyond it powers of two and what is beside them: kernels take rows by small blocks. */
const ALL_TO = 32;
/** Payloads whose rows are watched through all sizes. */
const WATCHED = 4;
/** A batch of so many is worth more than filling small batches up costs. */
const ENOUGH = 8;

/**
 * Tries batches of up to `maxBatch` payloads of `bytes` pseudo-random bytes, each with the watched ones in other places among other mates.
 * @throws what `run` throws of one sample, where no size can be run
 */
export async function findBatchSizes(run: RunBatch, bytes: number, maxBatch: number): Promise<BatchSizes> {
  const random = bytesFrom(1);
  const watched = Array.from({ length: WATCHED }, () => random(bytes));

  /** The bits of the watched rows in batches of this size. */
  const bitsIn = async (size: number, turn: number): Promise<string> => {
    const bits: string[] = [];
    for (let from = 0; from < WATCHED; from += size) {
      const some = watched.slice(from, from + size);
      const place = (size * 7 + turn * 3) % (size - some.length + 1);
      const batch = Array.from({ length: size }, (_, i) => some[i - place] ?? random(bytes));
      const rows = await run(batch);
      bits.push(...rows.slice(place, place + some.length).map(bitsOf));
    }
    return bits.join();
  };

  const runs: { least: number; most: number; bits: string }[] = [];
  let failure: unknown;
  let unbroken = false;
  for (const size of sizesUpTo(maxBatch)) {
    const bits = await bitsIn(size, 0).catch((error) => {
      failure ??= error;
      return undefined;
    });
    const last = runs.at(-1);
    if (bits === undefined) {
      unbroken = false;
      continue;
    }
    if (unbroken && last?.bits === bits) last.most = size;
    else runs.push({ least: size, most: size, bits });
    unbroken = true;
  }
  const [smallest] = runs;
  if (smallest === undefined) throw failure;

  const best =
    runs.find(({ most }) => most >= Math.min(ENOUGH, maxBatch)) ?? runs.toSorted((a, b) => b.most - a.most)[0]!;
  // A size that agrees with no other may still agree with itself, among other mates.
  const steady = best.least < best.most || (best.most > 1 && (await bitsIn(best.most, 1)) === best.bits);
  if (steady) return { least: best.least, most: best.most, note: noteOf(best, maxBatch) };
  return { least: smallest.least, most: 1, note: noteOfOne(runs.length, maxBatch) };
}

function noteOfOne(sizes: number, maxBatch: number): string {
  if (maxBatch === 1) return "";
  return sizes === 1 ? "it takes one sample at a time" : "its rows depend on their batch: each sample is run by itself";
}

function noteOf({ least, most }: Pick<BatchSizes, "least" | "most">, maxBatch: number): string {
  const notes: string[] = [];
  if (least > 1) notes.push(`smaller batches give other bits or none: they are filled up to ${least}`);
  if (most < maxBatch) notes.push(`larger batches give other bits or none: at most ${most} samples`);
  return notes.join("; ");
}

function sizesUpTo(max: number): number[] {
  const sizes = Array.from({ length: Math.min(max, ALL_TO) }, (_, i) => i + 1);
  for (let power = 2 * ALL_TO; power <= max; power *= 2) sizes.push(power - 1, power, power + 1);
  return [...new Set([...sizes.filter((size) => size <= max), max])];
}

const bitsOf = (row: Float32Array): string =>
  Buffer.from(row.buffer, row.byteOffset, row.byteLength).toString("base64");

/** Bytes that are the same each time: a xorshift of 32 bits. */
function bytesFrom(seed: number): (count: number) => Uint8Array {
  let state = seed;
  return (count) =>
    Uint8Array.from({ length: count }, () => {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      return state & 0xff;
    });
}
