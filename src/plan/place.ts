/** Where the buffers of ordered drafts lie: views and in-place outputs share bytes, and so do buffers that never live together. */
import { elementCount } from "../graph/graph.ts";
import { type BufferRequest, type Draft, noKernel } from "./draft.ts";
import type { Matcher } from "./matcher.ts";
import { type Buffer, placeBuffers } from "./memory.ts";
import type { Region } from "./plan.ts";

/** Buffers that the host writes or reads. */
export interface HostBuffers {
  readonly input: string;
  readonly threshold: string;
  readonly result: string;
  /** The tensor that is the payload, if there is one. */
  readonly payload: string | undefined;
}

/** Bytes inside of a buffer. */
interface Place {
  readonly root: string;
  /** In bytes. */
  readonly offset: number;
}

/** Tensors that have taken over another's buffer: the output of an in-place layer, by the buffer that it replaces. */
export type Aliases = ReadonlyMap<string, string>;

/** Outputs that take over the buffer of the stream that they replace, where nothing reads that later. */
export function findAliases(match: Matcher, drafts: readonly Draft[], { payload }: HostBuffers): Aliases {
  const aliases = new Map<string, string>();
  const lastReader = new Map<string, number>();
  const root = (name: string): string => match.bufferOf(name).root;
  drafts.forEach((draft, index) => {
    for (const { name } of draft.buffers) lastReader.set(root(name), index);
  });
  for (const [index, { name, replaces }] of drafts.entries()) {
    if (!replaces) continue;
    const stream = root(replaces.stream);
    const late = lastReader.get(stream)! > index ? drafts[lastReader.get(stream)!]!.name : undefined;
    const reader = late ?? (stream === payload ? "the payload" : undefined);
    if (reader === undefined) aliases.set(name, aliases.get(stream) ?? stream);
    else if (replaces.must)
      noKernel(
        `"${replaces.stream}" is replaced in place by "${name}" but read later by "${reader}"`,
        late === undefined ? "Cut the model behind the last layer of the edge part." : undefined,
      );
  }
  return aliases;
}

/** Lifetimes are counted in layers. What the host writes lives from the start, what it reads to the end. */
export function placeDrafts(match: Matcher, drafts: readonly Draft[], aliases: Aliases, host: HostBuffers) {
  const buffers = new Map<string, Buffer>();
  const end = drafts.length;
  const placeOf = (name: string): Place => {
    const { root, offset } = match.bufferOf(name);
    const bytes = offset === 0 ? 0 : match.storage(name, match.producer(name)).bytes;
    return { root: aliases.get(root) ?? root, offset: offset * bytes };
  };
  const touch = ({ name, bytes }: BufferRequest, from: number, to: number): void => {
    const { root, offset } = placeOf(name);
    const known = buffers.get(root);
    buffers.set(root, {
      name: root,
      bytes: Math.max(offset + bytes, known?.bytes ?? 0),
      firstStep: Math.min(from, known?.firstStep ?? from),
      lastStep: Math.max(to, known?.lastStep ?? to),
    });
  };
  drafts.forEach((draft, index) => {
    for (const buffer of draft.buffers) touch(buffer, index, index);
  });
  touch({ name: host.threshold, bytes: 4 }, 0, end);
  const { shape, bytes: width } = match.storage(match.graph.input, undefined);
  touch({ name: host.input, bytes: elementCount(shape) * width }, 0, 0);
  touch({ name: host.result, bytes: 0 }, end, end);
  if (host.payload !== undefined) touch({ name: host.payload, bytes: 0 }, end, end);
  const { addresses, bytes } = placeBuffers([...buffers.values()]);
  const region = (name: string): Region => {
    const { root, offset } = placeOf(name);
    return { address: addresses.get(root)! + offset, bytes: buffers.get(root)!.bytes - offset };
  };
  const placed = [...buffers.values()].map((buffer) => ({ ...buffer, address: addresses.get(buffer.name)! }));
  return { region, bytes, placed };
}
