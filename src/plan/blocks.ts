/** Layers whose weights are more than the scratch area takes work through their outputs part by part, each part's weights loaded in turn. */

/** Weights that are in memory at once, about. */
export const BLOCK_BYTES = 12 * 1024;

/**
 * How many outputs make a part: all parts are equal, so that one piece of code does for them.
 * @param limit how many outputs' weights there is room for
 */
export function outputsPerBlock(outputs: number, limit: number): number {
  let divisor = Math.max(1, Math.min(outputs, Math.floor(limit)));
  while (outputs % divisor !== 0) divisor--;
  return divisor;
}
