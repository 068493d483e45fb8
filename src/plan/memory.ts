/** Static memory plan: each buffer lives from its first to its last step, and buffers that never live together may share bytes. */

export interface Buffer {
  readonly name: string;
  readonly bytes: number;
  readonly firstStep: number;
  readonly lastStep: number;
}

export interface PlacedBuffer extends Buffer {
  readonly address: number;
}

/** Buffers start at multiples of this: the widest access of the kernels. */
const ALIGNMENT = 8;

/**
 * Places buffers, the largest first, each at the lowest address where it overlaps nothing that lives at the same time.
 * @returns addresses by name, and the bytes in total
 */
export function placeBuffers(buffers: readonly Buffer[]): { addresses: ReadonlyMap<string, number>; bytes: number } {
  const placed: PlacedBuffer[] = [];
  const bySize = buffers.toSorted((a, b) => b.bytes - a.bytes || a.firstStep - b.firstStep);
  for (const buffer of bySize) {
    const neighbours = placed
      .filter((other) => other.firstStep <= buffer.lastStep && buffer.firstStep <= other.lastStep)
      .toSorted((a, b) => a.address - b.address);
    let address = 0;
    for (const other of neighbours) {
      if (address + buffer.bytes <= other.address) break;
      address = Math.max(address, align(other.address + other.bytes));
    }
    placed.push({ ...buffer, address });
  }
  return {
    addresses: new Map(placed.map((buffer) => [buffer.name, buffer.address])),
    bytes: Math.max(0, ...placed.map((buffer) => buffer.address + buffer.bytes)),
  };
}

export function align(bytes: number, to = ALIGNMENT): number {
  return Math.ceil(bytes / to) * to;
}
