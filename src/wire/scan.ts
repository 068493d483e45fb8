/**
 * Walks the headers of a msgpack frame before any decoder sees it: a frame is one array of scalars, nothing else. Deeply nested
 * arrays exhaust the heap of general decoders, and extensions run their code; neither gets past this.
 */

/** Whether the frame is well formed, and if not, why: the end of a sentence that begins "the frame ...". */
export type Scan = { readonly items: number; readonly flaw?: undefined } | { readonly flaw: string };

/** Most items that a frame of this or a later version has. */
const MAX_ITEMS = 31;

/** Sizes of the scalars whose first byte alone says it, by that byte. */
const FIXED: ReadonlyMap<number, number> = new Map([
  [0xca, 5], // float 32
  [0xcb, 9], // float 64
  [0xcc, 2], // uint 8
  [0xcd, 3],
  [0xce, 5],
  [0xcf, 9],
  [0xd0, 2], // int 8
  [0xd1, 3],
  [0xd2, 5],
  [0xd3, 9],
]);

/** Bytes of the length that follows the first byte of a bin or str. */
const LENGTH_BYTES: ReadonlyMap<number, number> = new Map([
  [0xc4, 1], // bin 8
  [0xc5, 2],
  [0xc6, 4],
  [0xd9, 1], // str 8
  [0xda, 2],
  [0xdb, 4],
]);

/** Walks `frame` once; time and memory do not depend on what the lengths in it claim. */
export function scan(frame: Uint8Array): Scan {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  const opening = readOpening(frame, view);
  if (opening === undefined) return { flaw: "does not begin with a msgpack array" };
  if (opening.items > MAX_ITEMS) return { flaw: `has more than ${MAX_ITEMS} items` };
  let at = opening.size;
  for (let item = 0; item < opening.items; item++) {
    if (at >= frame.length) return { flaw: `ends before its item ${item}` };
    const size = scalarSize(frame, view, at);
    if (size === undefined) return { flaw: `holds something else than a number, a text or bytes as item ${item}` };
    if (size > frame.length - at) return { flaw: `ends within its item ${item}` };
    at += size;
  }
  if (at < frame.length) return { flaw: `has ${frame.length - at} bytes after its last item` };
  return { items: opening.items };
}

function readOpening(frame: Uint8Array, view: DataView): { items: number; size: number } | undefined {
  const first = frame[0];
  if (first === undefined) return undefined;
  if (first >= 0x90 && first <= 0x9f) return { items: first & 0x0f, size: 1 };
  if (first === 0xdc && frame.length >= 3) return { items: view.getUint16(1), size: 3 };
  return undefined;
}

/** Size of the scalar at `at` with its header; Infinity where the header is cut off; undefined for anything but a scalar. */
function scalarSize(frame: Uint8Array, view: DataView, at: number): number | undefined {
  const first = frame[at] as number;
  if (first <= 0x7f || first >= 0xe0) return 1;
  if (first >= 0xa0 && first <= 0xbf) return 1 + (first & 0x1f);
  const fixed = FIXED.get(first);
  if (fixed !== undefined) return fixed;
  const lengthBytes = LENGTH_BYTES.get(first);
  if (lengthBytes === undefined) return undefined;
  if (at + 1 + lengthBytes > frame.length) return Number.POSITIVE_INFINITY;
  const length =
    lengthBytes === 1 ? view.getUint8(at + 1) : lengthBytes === 2 ? view.getUint16(at + 1) : view.getUint32(at + 1);
  return 1 + lengthBytes + length;
}
