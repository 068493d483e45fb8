/**
 * What this package must know of a module before wasm3 may see it: wasm3 0.5.0 does not validate, so a module must be
 * valid (WebAssembly.validate says so) and keep to the features that wasm3 has (this file says so).
 */
import { scanBody } from "./code.js";
import { Wasm3Error } from "./error.js";
import { Reader } from "./reader.js";

const TYPES = new Map([
  [0x7f, "i32"],
  [0x7e, "i64"],
  [0x7d, "f32"],
  [0x7c, "f64"],
]);
const KINDS = ["function", "table", "memory", "global"];
const PAGE = 65536;

/** Arguments plus results of one function; wasm3 gives each a place in its slot table. */
const MAX_SIGNATURE = 128;
const MAX_TABLE = 65536;

/** @param {string} what */
const unsupported = (what) => new Wasm3Error("unsupported", `wasm3 does not support ${what}.`);

/** @param {number} byte */
function valueType(byte) {
  const type = TYPES.get(byte);
  if (!type) throw unsupported(`the value type 0x${byte.toString(16)}`);
  return type;
}

/** An initialiser: one constant. @returns its value if it is an i32, else undefined. @param {Reader} reader */
function constant(reader) {
  const opcode = reader.byte();
  let value;
  if (opcode === 0x41) value = reader.s33();
  else if (opcode === 0x42) reader.leb();
  else if (opcode === 0x43) reader.skip(4);
  else if (opcode === 0x44) reader.skip(8);
  else throw unsupported("initialisers other than one constant");
  if (reader.byte() !== 0x0b) throw unsupported("initialisers other than one constant");
  return value;
}

class Scan {
  types = [];
  imports = [];
  functions = [];
  globals = [];
  exports = [];
  /** @type {{ initialPages: number, maximumPages: number | undefined } | undefined} */
  memory = undefined;
  /** Whether instantiation runs a function. */
  start = false;
  table = 0;
  loops = 0;
  /** End of the furthest data segment: the least memory that the module can start with. */
  dataEnd = 0;

  /** @param {number} index */
  signature(index) {
    const type = this.types[this.functions[index]];
    if (!type) throw new Wasm3Error("malformed", `The module has no function ${index}.`);
    return type;
  }

  /** @param {Reader} reader */
  type(reader) {
    if (reader.byte() !== 0x60) throw unsupported("types other than functions");
    const params = Array.from({ length: reader.u32() }, () => valueType(reader.byte()));
    const results = Array.from({ length: reader.u32() }, () => valueType(reader.byte()));
    if (params.length + results.length > MAX_SIGNATURE)
      throw unsupported(`functions of more than ${MAX_SIGNATURE} arguments and results`);
    this.types.push({ params, results });
  }

  /** @param {Reader} reader */
  import(reader) {
    const module = reader.name();
    const name = reader.name();
    const kind = reader.byte();
    if (kind !== 0) throw unsupported(`the import "${module}.${name}" of a ${KINDS[kind] ?? "tag"}`);
    this.functions.push(reader.u32());
    this.imports.push({ module, name, ...this.signature(this.functions.length - 1) });
  }

  /** @param {Reader} reader */
  tableType(reader) {
    if (reader.byte() !== 0x70) throw unsupported("tables of other than functions");
    const flags = reader.byte();
    this.table = reader.u32();
    if (flags & 1) reader.u32();
    if (flags > 1 || this.table > MAX_TABLE) throw unsupported(`tables of more than ${MAX_TABLE} entries`);
  }

  /** @param {Reader} reader */
  memoryType(reader) {
    const flags = reader.byte();
    if (flags > 1) throw unsupported("shared or 64-bit memories");
    const initialPages = reader.u32();
    this.memory = { initialPages, maximumPages: flags & 1 ? reader.u32() : undefined };
  }

  /** @param {Reader} reader */
  global(reader) {
    const type = valueType(reader.byte());
    const mutable = reader.byte() === 1;
    constant(reader);
    this.globals.push({ type, mutable });
  }

  /** @param {Reader} reader */
  export(reader) {
    const name = reader.name();
    const kind = KINDS[reader.byte()];
    const index = reader.u32();
    if (kind === "function") this.exports.push({ name, kind, index, ...this.signature(index) });
    else if (kind === "global") this.exports.push({ name, kind, index, ...this.globals[index] });
    else if (kind) this.exports.push({ name, kind, index });
    else throw unsupported(`the export "${name}" of a tag`);
  }

  /** @param {Reader} reader */
  element(reader) {
    if (reader.u32() !== 0) throw unsupported("element segments other than active ones of functions");
    const offset = constant(reader) ?? 0;
    const count = reader.u32();
    for (let i = 0; i < count; ++i) reader.u32();
    if (offset < 0 || offset + count > this.table)
      throw new Wasm3Error("malformed", "An element segment lies outside the table.");
  }

  /** @param {Reader} reader */
  body(reader) {
    const size = reader.u32();
    const start = reader.at;
    reader.skip(size);
    this.loops += scanBody(new Reader(reader.bytes, start, reader.at), valueType);
  }

  /** @param {Reader} reader */
  data(reader) {
    if (reader.u32() !== 0) throw unsupported("data segments other than active ones");
    const offset = (constant(reader) ?? 0) >>> 0;
    const size = reader.u32();
    reader.skip(size);
    if (offset + size > (this.memory?.initialPages ?? 0) * PAGE) {
      throw new Wasm3Error("malformed", "A data segment lies outside the memory.");
    }
    this.dataEnd = Math.max(this.dataEnd, offset + size);
  }
}

/** What an entry of each section is read with. @type {((scan: Scan, reader: Reader) => void)[]} */
const entries = [];
entries[1] = (scan, reader) => scan.type(reader);
entries[2] = (scan, reader) => scan.import(reader);
entries[3] = (scan, reader) => scan.functions.push(reader.u32());
entries[4] = (scan, reader) => scan.tableType(reader);
entries[5] = (scan, reader) => scan.memoryType(reader);
entries[6] = (scan, reader) => scan.global(reader);
entries[7] = (scan, reader) => scan.export(reader);
entries[9] = (scan, reader) => scan.element(reader);
entries[10] = (scan, reader) => scan.body(reader);
entries[11] = (scan, reader) => scan.data(reader);
const START = 8;
const DATA_COUNT = 12;

/**
 * Reads a valid module.
 * @param {Uint8Array} bytes
 * @returns what it imports and exports, and its bytes without custom sections: those are not validated by anyone, and
 * wasm3 reads names from them.
 */
export function scan(bytes) {
  const result = new Scan();
  const reader = new Reader(bytes, 8);
  const kept = [bytes.subarray(0, 8)];
  while (reader.at < reader.end) {
    const start = reader.at;
    const id = reader.byte();
    const size = reader.u32();
    const from = reader.at;
    reader.skip(size);
    if (id === 0) continue;
    kept.push(bytes.subarray(start, reader.at));
    if (id === START) result.start = true;
    if (id === START || id === DATA_COUNT) continue;
    const entry = entries[id];
    if (!entry) throw unsupported(`the section ${id}`);
    const section = new Reader(bytes, from, reader.at);
    const count = section.u32();
    if (id === 4 || id === 5) if (count > 1) throw unsupported(`more than one ${id === 4 ? "table" : "memory"}`);
    for (let i = 0; i < count; ++i) entry(result, section);
  }
  return { ...result, code: concatenate(kept) };
}

/** @param {Uint8Array[]} parts */
function concatenate(parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
