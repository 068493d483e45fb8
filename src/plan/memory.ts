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

/** Orders that are tried, and pairs of buffers that are compared in all of them. */
const MAX_ATTEMPTS = 200;
const MAX_COMPARISONS = 1 << 24;

/**
 * Places buffers one after another, each at the lowest address where it overlaps nothing that lives at the same time. The order
 * decides how well that goes: at first the largest come first, then, as long as there is more than what ever lives at once, whatever
 * ended highest is moved to the front.
 * @returns addresses by name, and the bytes in total
 */
export function placeBuffers(buffers: readonly Buffer[]): { addresses: ReadonlyMap<string, number>; bytes: number } {
  const least = leastBytes(buffers);
  let order = buffers.toSorted((a, b) => b.bytes - a.bytes || a.firstStep - b.firstStep);
  let best: PlacedBuffer[] | undefined;
  const attempts = Math.min(MAX_ATTEMPTS, 1 + MAX_COMPARISONS / (buffers.length ** 2 + 1));
  for (let attempt = 0; attempt < attempts; attempt++) {
    const placed = placeInOrder(order);
    if (!best || endOf(placed) < endOf(best)) best = placed;
    if (endOf(best) <= least) break;
    const end = endOf(placed);
    const highest = placed.findLast((buffer) => buffer.address + buffer.bytes === end)!;
    const first = order.find(({ name }) => name === highest.name)!;
    order = [first, ...order.filter((buffer) => buffer !== first)];
  }
  return { addresses: new Map(best!.map(({ name, address }) => [name, address])), bytes: endOf(best!) };
}

function placeInOrder(order: readonly Buffer[]): PlacedBuffer[] {
  const placed: PlacedBuffer[] = [];
  for (const buffer of order) {
    const neighbours = placed
      .filter((other) => other.firstStep <= buffer.lastStep && buffer.firstStep <= other.lastStep)
      .sort((a, b) => a.address - b.address);
    let address = 0;
    for (const other of neighbours) {
      if (address + buffer.bytes <= other.address) break;
      address = Math.max(address, align(other.address + other.bytes));
    }
    placed.push({ ...buffer, address });
  }
  return placed;
}

function endOf(placed: readonly PlacedBuffer[]): number {
  return placed.reduce((end, { address, bytes }) => Math.max(end, address + bytes), 0);
}

/** What lives at one time, at most: no placement takes less. */
function leastBytes(buffers: readonly Buffer[]): number {
  const steps = new Set(buffers.map(({ firstStep }) => firstStep));
  return Math.max(
    0,
    ...[...steps].map((step) =>
      buffers.reduce((sum, b) => (b.firstStep <= step && step <= b.lastStep ? sum + b.bytes : sum), 0),
    ),
  );
}

export function align(bytes: number, to = ALIGNMENT): number {
  return Math.ceil(bytes / to) * to;
}
