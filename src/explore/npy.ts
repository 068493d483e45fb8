/** Arrays as NumPy saves them (NEP 1, format versions 1 and 2): what people keep samples and labels in. */
import { HedgeError } from "../errors.ts";
import { elementCount } from "../graph/graph.ts";

export interface NumberArray {
  readonly shape: readonly number[];
  /** Row-major. */
  readonly values: ArrayLike<number>;
}

const MAGIC = "\x93NUMPY";
/** Little endian, or of one byte. */
const READERS: Readonly<Record<string, { bytes: number; read: (view: DataView, at: number) => number }>> = {
  "<f4": { bytes: 4, read: (view, at) => view.getFloat32(at, true) },
  "<f8": { bytes: 8, read: (view, at) => view.getFloat64(at, true) },
  "|u1": { bytes: 1, read: (view, at) => view.getUint8(at) },
  "|i1": { bytes: 1, read: (view, at) => view.getInt8(at) },
  "<i2": { bytes: 2, read: (view, at) => view.getInt16(at, true) },
  "<u2": { bytes: 2, read: (view, at) => view.getUint16(at, true) },
  "<i4": { bytes: 4, read: (view, at) => view.getInt32(at, true) },
  "<i8": { bytes: 8, read: (view, at) => Number(view.getBigInt64(at, true)) },
};

/** @throws HedgeError (input) for bytes that are no array of numbers in row-major order */
export function decodeNpy(bytes: Uint8Array, path: string): NumberArray {
  const refuse = (reason: string): never => {
    throw new HedgeError("input", `${path} ${reason}.`, "Save it with numpy.save, as numbers in C order.");
  };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const text = (from: number, to: number): string => String.fromCharCode(...bytes.subarray(from, to));
  if (bytes.length < 12 || text(0, 6) !== MAGIC) refuse("is no NumPy array");
  const version = bytes[6]!;
  if (version !== 1 && version !== 2) refuse(`is of version ${version} of NumPy's format`);
  const head = version === 1 ? 10 : 12;
  const start = head + (version === 1 ? view.getUint16(8, true) : view.getUint32(8, true));
  if (start > Math.min(bytes.length, 1 << 16)) refuse("is cut short");
  const header = text(head, start);
  const kind = /'descr': '([^']*)'/.exec(header)?.[1] ?? "";
  const dims = /'shape': \(([^)]*)\)/.exec(header)?.[1];
  const reader = READERS[kind] ?? refuse(`holds elements of the type ${JSON.stringify(kind)}`);
  if (dims === undefined || /'fortran_order': True/.test(header)) return refuse("does not hold rows one after another");
  const shape = dims
    .split(",")
    .filter((n) => n.trim() !== "")
    .map(Number);
  const count = elementCount(shape);
  if (!Number.isSafeInteger(count) || count < 0 || start + count * reader.bytes !== bytes.length)
    refuse(`does not hold the elements of its shape (${dims})`);
  return { shape, values: Float64Array.from({ length: count }, (_, i) => reader.read(view, start + i * reader.bytes)) };
}
