/** TensorProto <-> typed arrays. */
import { HedgeError } from "../../errors.ts";
import { elementCount } from "../../graph/graph.ts";
import { DATA_TYPE, EXTERNAL, type Int64, type OnnxTensor } from "./types.ts";

export type TensorArray =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array;

export type DataTypeName = Exclude<keyof typeof DATA_TYPE, "STRING">;

/** A tensor's values in row-major order. BOOL is 0 or 1 in a Uint8Array; FLOAT16 is widened to a Float32Array. */
export interface TensorData {
  readonly dims: readonly number[];
  readonly type: DataTypeName;
  readonly data: TensorArray;
}

/** Elements beyond which a tensor is refused: 1 GiB of float32. */
const MAX_ELEMENTS = 1 << 28;

interface Storage {
  /** Reads `count` little-endian elements from raw_data; every host that Node supports here is little-endian. */
  readonly raw: (buffer: ArrayBuffer) => TensorArray;
  readonly bytes: number;
  /** Where values lie when there is no raw_data. */
  readonly field: "floatData" | "doubleData" | "int32Data" | "int64Data" | "uint64Data";
  readonly from: (values: readonly Int64[]) => TensorArray;
}

const numbers = (values: readonly Int64[]): number[] => values.map(Number);
const bigints = (values: readonly Int64[]): bigint[] => values.map(BigInt);

const STORAGE: Record<DataTypeName, Storage> = {
  FLOAT: { bytes: 4, field: "floatData", raw: (b) => new Float32Array(b), from: (v) => Float32Array.from(numbers(v)) },
  DOUBLE: {
    bytes: 8,
    field: "doubleData",
    raw: (b) => new Float64Array(b),
    from: (v) => Float64Array.from(numbers(v)),
  },
  FLOAT16: { bytes: 2, field: "int32Data", raw: (b) => halves(new Uint16Array(b)), from: (v) => halves(numbers(v)) },
  INT8: { bytes: 1, field: "int32Data", raw: (b) => new Int8Array(b), from: (v) => Int8Array.from(numbers(v)) },
  UINT8: { bytes: 1, field: "int32Data", raw: (b) => new Uint8Array(b), from: (v) => Uint8Array.from(numbers(v)) },
  BOOL: { bytes: 1, field: "int32Data", raw: (b) => new Uint8Array(b), from: (v) => Uint8Array.from(numbers(v)) },
  INT16: { bytes: 2, field: "int32Data", raw: (b) => new Int16Array(b), from: (v) => Int16Array.from(numbers(v)) },
  UINT16: { bytes: 2, field: "int32Data", raw: (b) => new Uint16Array(b), from: (v) => Uint16Array.from(numbers(v)) },
  INT32: { bytes: 4, field: "int32Data", raw: (b) => new Int32Array(b), from: (v) => Int32Array.from(numbers(v)) },
  UINT32: { bytes: 4, field: "uint64Data", raw: (b) => new Uint32Array(b), from: (v) => Uint32Array.from(numbers(v)) },
  INT64: {
    bytes: 8,
    field: "int64Data",
    raw: (b) => new BigInt64Array(b),
    from: (v) => BigInt64Array.from(bigints(v)),
  },
  UINT64: {
    bytes: 8,
    field: "uint64Data",
    raw: (b) => new BigUint64Array(b),
    from: (v) => BigUint64Array.from(bigints(v)),
  },
};

const NAMES = new Map(Object.entries(DATA_TYPE).map(([name, value]) => [value as number, name]));

/** "FLOAT" for 1 and so on; "type 99" for what ONNX does not define or Hedge does not read. */
export function dataTypeName(dataType: number | undefined): string {
  return NAMES.get(dataType ?? 0) ?? `type ${dataType ?? 0}`;
}

/** How errors name a tensor. */
export function titleOf(tensor: OnnxTensor, where: string): string {
  return `Tensor "${tensor.name ?? ""}" in ${where}`;
}

export function isExternal(tensor: OnnxTensor): boolean {
  return tensor.dataLocation === EXTERNAL || tensor.externalData.length > 0;
}

export function externalData(tensor: OnnxTensor, where: string): HedgeError {
  return new HedgeError(
    "input",
    `${titleOf(tensor, where)} keeps its data in another file.`,
    "Save the model as one file (onnx.save with save_as_external_data=False).",
    { code: "H106" },
  );
}

/**
 * The values of a tensor, copied.
 * @param where names the file in errors.
 * @throws HedgeError (input) for external data, an element type without numbers, or data that do not fill the shape.
 */
export function readTensor(tensor: OnnxTensor, where: string): TensorData {
  const name = titleOf(tensor, where);
  if (isExternal(tensor)) throw externalData(tensor, where);
  const type = NAMES.get(tensor.dataType ?? 0) as DataTypeName | undefined;
  const storage = type === undefined ? undefined : STORAGE[type];
  if (type === undefined || storage === undefined || tensor.segment !== undefined) {
    const what = tensor.segment ? "is stored in segments" : `has elements of ${dataTypeName(tensor.dataType)}`;
    throw new HedgeError("input", `${name} ${what}, which Hedge does not read.`, "Export it as one float32 tensor.", {
      code: "H105",
    });
  }
  const dims = tensor.dims.map(Number);
  const count = elementCount(dims);
  if (dims.some((dim) => !Number.isSafeInteger(dim) || dim < 0) || count > MAX_ELEMENTS) {
    throw new HedgeError("input", `${name} has the impossible shape [${dims}].`, "Export the model again.", {
      code: "H104",
    });
  }
  const raw = tensor.rawData;
  const values = tensor[storage.field];
  const found = raw?.length ? raw.length / storage.bytes : values.length;
  if (found !== count) {
    throw new HedgeError(
      "input",
      `${name} has ${found} elements but its shape [${dims}] needs ${count}.`,
      "The file is damaged: export the model again.",
      { code: "H104" },
    );
  }
  const data = raw?.length ? storage.raw(new Uint8Array(raw).buffer) : storage.from(values);
  return { dims, type, data };
}

/** As `TensorData`, with every value as a number. */
export interface NumberData {
  readonly dims: readonly number[];
  readonly type: DataTypeName;
  readonly data: Float64Array;
}

/** Exporters write the largest int64 for "up to the end", the smallest for "down to the start". */
const INT64_ENDS: ReadonlySet<number> = new Set([2 ** 63, -(2 ** 63)]);

/** As `readTensor`, with every value as a number (float64); a HedgeError for an int64 beyond 2^53 that is not the type's last. */
export function readNumbers(tensor: OnnxTensor, where: string): NumberData {
  const { dims, type, data } = readTensor(tensor, where);
  let out = Float64Array.from(data as Iterable<number | bigint>, Number);
  if (data instanceof BigInt64Array)
    out = out.map((value) => (INT64_ENDS.has(value) ? Math.sign(value) * Number.MAX_SAFE_INTEGER : value));
  if (data instanceof BigInt64Array || data instanceof BigUint64Array) {
    const odd = out.find((value) => !Number.isSafeInteger(value));
    if (odd !== undefined) {
      throw new HedgeError(
        "input",
        `${titleOf(tensor, where)} holds ${odd}, beyond 2^53.`,
        "Export it with smaller integers.",
        { code: "H104" },
      );
    }
  }
  return { dims, type, data: out };
}

/** A tensor with its values in raw_data (little-endian). Every type but FLOAT16, which has no typed array. */
export function writeTensor(
  name: string,
  type: Exclude<DataTypeName, "FLOAT16">,
  dims: readonly number[],
  data: TensorArray,
): OnnxTensor {
  const count = elementCount(dims);
  if (data.length !== count || data.BYTES_PER_ELEMENT !== STORAGE[type].bytes) {
    throw new RangeError(`tensor "${name}": ${data.length} values do not make a ${type} tensor of shape [${dims}]`);
  }
  return {
    name,
    dims: [...dims],
    dataType: DATA_TYPE[type],
    rawData: new Uint8Array(data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength) as ArrayBuffer),
    floatData: [],
    int32Data: [],
    stringData: [],
    int64Data: [],
    doubleData: [],
    uint64Data: [],
    externalData: [],
    metadataProps: [],
  };
}

/** IEEE 754 binary16 patterns -> their values. */
function halves(patterns: Uint16Array | readonly number[]): Float32Array {
  return Float32Array.from(patterns as ArrayLike<number>, (pattern) => {
    const sign = pattern & 0x8000 ? -1 : 1;
    const exponent = (pattern >> 10) & 31;
    const fraction = pattern & 1023;
    if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
    return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  });
}
