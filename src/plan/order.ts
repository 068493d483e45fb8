/** The order of layers: each behind what it reads, and a layer that overwrites what it reads behind all other readers. */
import { type Draft, noKernel } from "./draft.ts";

/** A draft with the roots of the buffers that it reads and writes. */
export interface Item {
  readonly draft: Draft;
  /** The buffer that the layer makes. */
  readonly makes: string;
  readonly reads: readonly string[];
  /** A buffer that is gone after the layer. */
  readonly overwrites?: string | undefined;
}

/**
 * @param items in an order in which each comes behind what it reads
 * @param last items that end a sample (the exit, the payload), in the order in which they shall run: what only a later one needs
 *   runs after the earlier one
 */
export function orderItems(items: readonly Item[], last: readonly Item[]): Item[] {
  const makers = new Map(items.map((item) => [item.makes, item]));
  const readers = new Map<string, Item[]>();
  for (const item of [...items, ...last])
    for (const read of new Set(item.reads)) readers.set(read, [...(readers.get(read) ?? []), item]);
  const before = (item: Item): Item[] => {
    const made = item.reads.flatMap((read) => makers.get(read) ?? []);
    const others = item.overwrites === undefined ? [] : (readers.get(item.overwrites) ?? []);
    return [...made, ...others].filter((other) => other !== item);
  };
  const order: Item[] = [];
  const state = new Map<Item, "open" | "done">();
  // Depth first, with a stack of its own: chains may be long.
  for (const start of last) {
    const stack: { item: Item; waiting: Item[] }[] = [];
    const enter = (item: Item): void => {
      state.set(item, "open");
      stack.push({ item, waiting: before(item).reverse() });
    };
    if (!state.has(start)) enter(start);
    for (let top = stack.at(-1); top; top = stack.at(-1)) {
      const next = top.waiting.pop();
      if (!next) {
        order.push(top.item);
        state.set(top.item, "done");
        stack.pop();
      } else if (!state.has(next)) enter(next);
      else if (state.get(next) === "open") refuseCircle(top.item, next);
    }
  }
  return order;
}

/** Two layers each of which has to run before the other: one overwrites what the other, which needs its result, reads. */
function refuseCircle(a: Item, b: Item): never {
  const [writer, reader] = b.overwrites === undefined ? [a, b] : [b, a];
  const [by, other] = [writer.draft.name, reader.draft.name];
  return noKernel(`"${writer.draft.replaces?.stream}" is replaced in place by "${by}" but read later by "${other}"`);
}
