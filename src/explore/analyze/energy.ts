/**
 * Energy by the table of Conditionally Deep Hybrid Neural Networks (Panda et al., 2020): 4.6 pJ for a multiply-accumulate of 32 bits, 0.2 pJ for
 * a binary one, 2.5 pJ for a bit from memory; in proportion to the bits in between. Communication is not in it.
 */

const MAC_32 = 4.6;
const MAC_BINARY = 0.2;
const MEMORY_BIT = 2.5;

export interface EnergyOf {
  readonly macs: number;
  readonly weightBits: number;
  readonly activationBits: number;
  readonly weightBytes: number;
  /** What the layer writes, and the next one reads. */
  readonly activationBytes: number;
}

/** Of one layer in picojoules: its arithmetic, its weights read once, its output written once and read once. */
export function energyPicojoules({ macs, weightBits, activationBits, weightBytes, activationBytes }: EnergyOf): number {
  const bits = Math.max(weightBits, activationBits);
  const mac = bits <= 1 ? MAC_BINARY : (MAC_32 * bits) / 32;
  return macs * mac + 8 * (weightBytes + 2 * activationBytes) * MEMORY_BIT;
}
