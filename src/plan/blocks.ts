/**
 * Layers whose weights are more than the scratch area takes work through their outputs part by part, each part's weights loaded in turn.
 * All parts have the same number of outputs, so that one piece of code does for them: the last begins early where they overlap.
 */

/** Weights that are in memory at once, about. */
export const BLOCK_BYTES = 12 * 1024;

export interface Blocks {
  readonly blocks: number;
  readonly blockOutputs: number;
}

/**
 * @param limit how many outputs' weights there is room for
 * @param together outputs that share words: parts are multiples of this where they can be
 */
export function divideOutputs(outputs: number, limit: number, together = 1): Blocks {
  const units = Math.ceil(outputs / together);
  const parts = Math.ceil(units / Math.max(1, Math.floor(limit / together)));
  const blockOutputs = Math.min(outputs, Math.ceil(units / parts) * together);
  return { blocks: Math.ceil(outputs / blockOutputs), blockOutputs };
}

/** The first output of a part. */
export function firstOutput({ blockOutputs }: Blocks, block: number, outputs: number): number {
  return Math.min(block * blockOutputs, outputs - blockOutputs);
}

/** Whether some outputs are computed twice. */
export function overlap({ blocks, blockOutputs }: Blocks, outputs: number): boolean {
  return blocks * blockOutputs > outputs;
}
