/** Node binding of the wasm3 interpreter. index.d.ts documents the API. */
import { createRequire } from "node:module";
import { Wasm3Error } from "./lib/error.js";
import { scan } from "./lib/scan.js";

const native = createRequire(import.meta.url)("./build/Release/wasm3.node");
native.setErrorClass(Wasm3Error);

const MAX_MODULE_BYTES = 16 << 20;
const MAX_MEMORY_BYTES = 1 << 30;
const MAX_STACK_BYTES = 16 << 20;
const MAX_IMAGES = 1 << 20;
const DEFAULT_MEMORY_LIMIT = 64 << 20;
const DEFAULT_STACK_BYTES = 64 << 10;
const PAGE = 65536;

/** The module name of imports that the addon itself provides, in C. */
const NATIVE_MODULE = "hedge_native";
export const NATIVE_KERNELS = Object.freeze(native.kernelNames());

/** Ties the life of what wasm3 holds to every function handed out. */
const holderOf = Symbol("holder");

class Wasm3Module {
  /** Bytes for wasm3: validated, without custom sections. */
  #code;
  #dataEnd;

  constructor(bytes) {
    if (!(bytes instanceof Uint8Array)) throw new Wasm3Error("type", "The module must be given as a Uint8Array.");
    if (bytes.length > MAX_MODULE_BYTES) {
      throw new Wasm3Error(
        "unsupported",
        `The module has ${bytes.length} bytes; at most ${MAX_MODULE_BYTES} are supported.`,
      );
    }
    // A copy, so that nobody changes the bytes between validation and use.
    const copy = Uint8Array.from(bytes);
    if (!WebAssembly.validate(copy)) throw new Wasm3Error("malformed", "The bytes are no valid WebAssembly module.");
    const { imports, exports, memory, start, globals, code, dataEnd } = scan(copy);
    this.imports = imports;
    this.exports = exports;
    this.memory = memory;
    this.start = start;
    this.memoryIsState = !start && !globals.some((global) => global.mutable);
    this.#code = code;
    this.#dataEnd = dataEnd;
  }

  /** What to link, in the module's order: functions, and the names of native kernels. */
  #link(imports) {
    return this.imports.map(({ module, name, params, results }) => {
      const value = imports?.[module]?.[name];
      if (typeof value === "function") return value;
      const kernel = value === undefined && module === NATIVE_MODULE && NATIVE_KERNELS.includes(name);
      if (kernel && params.join() === "i32" && results.length === 0) return name;
      const what = value === undefined ? "is missing" : "is not a function";
      throw new Wasm3Error("link", `The import "${module}.${name}" ${what}.`);
    });
  }

  /** A wrapped native instance; it keeps the imported functions alive. */
  instantiate(options) {
    const memoryLimit = bounded(options.memoryLimit, DEFAULT_MEMORY_LIMIT, MAX_MEMORY_BYTES, "memoryLimit");
    const stackBytes = bounded(options.stackBytes, DEFAULT_STACK_BYTES, MAX_STACK_BYTES, "stackBytes");
    const images = bounded(options.images, 1, MAX_IMAGES, "images");
    if (images > 1 && !this.memoryIsState) {
      throw new Wasm3Error(
        "unsupported",
        "The module has a start function or mutable globals: its state is more than a memory image.",
      );
    }
    if (this.#dataEnd > memoryLimit) {
      throw new Wasm3Error(
        "memory-limit",
        `The module's data reaches to byte ${this.#dataEnd}, beyond the memory limit of ${memoryLimit} bytes.`,
      );
    }
    const pages = this.memory?.initialPages ?? 0;
    if (options.memoryLimit === undefined && pages * PAGE > memoryLimit) {
      throw new Wasm3Error(
        "memory-limit",
        `The module declares ${pages * PAGE} bytes of memory; give a memoryLimit to allow that.`,
      );
    }
    const functions = this.#link(options.imports);
    return native.load({ functions }, this.#code, functions, memoryLimit, stackBytes, images);
  }
}

/** A whole number of 1 ... most. A limit of 0 bytes would mean "no limit" to wasm3. */
function bounded(value, fallback, most, name) {
  if (value === undefined) return fallback;
  if (Number.isInteger(value) && value >= 1 && value <= most) return value;
  throw new Wasm3Error("type", `${name} must be a whole number from 1 to ${most}.`);
}

class Wasm3Memory {
  #holder;

  constructor(holder) {
    this.#holder = holder;
  }

  get byteLength() {
    return native.memoryLength(this.#holder);
  }

  read(at, count) {
    // Checked first: a huge count must not allocate before it is refused.
    if (!Number.isInteger(count) || count < 0)
      throw new Wasm3Error("type", "The count must be a non-negative integer.");
    if (count > this.byteLength) {
      throw new Wasm3Error("bounds", `Cannot read ${count} bytes of a memory of ${this.byteLength} bytes.`);
    }
    const bytes = new Uint8Array(count);
    native.memoryRead(this.#holder, at, bytes);
    return bytes;
  }

  readInto(at, target) {
    native.memoryRead(this.#holder, at, target);
  }

  write(at, bytes) {
    native.memoryWrite(this.#holder, at, bytes);
  }
}

class Wasm3Instance {
  #holder;
  #functions = new Map();
  #images;

  constructor(module, options) {
    this.module = module;
    this.#holder = module.instantiate(options);
    this.#images = options.images ?? 1;
    this.memory = new Wasm3Memory(this.#holder);
  }

  #export(name, kind) {
    const found = this.module.exports.find((entry) => entry.name === name && entry.kind === kind);
    if (!found) throw new Wasm3Error("no-export", `The module exports no ${kind} "${name}".`);
    return found;
  }

  function(name) {
    const known = this.#functions.get(name);
    if (known) return known;
    const callable = native.exportFunction(this.#holder, this.#export(name, "function").index);
    Object.defineProperty(callable, holderOf, { value: this.#holder });
    Object.defineProperty(callable, "name", { value: name });
    this.#functions.set(name, callable);
    return callable;
  }

  call(name, ...args) {
    return this.function(name)(...args);
  }

  getGlobal(name) {
    return native.globalGet(this.#holder, this.#export(name, "global").index);
  }

  setGlobal(name, value) {
    const { index, mutable } = this.#export(name, "global");
    if (!mutable) throw new Wasm3Error("type", `The global "${name}" is constant.`);
    native.globalSet(this.#holder, index, value);
  }

  #image(index) {
    if (Number.isInteger(index) && index >= 0 && index < this.#images) return index;
    throw new Wasm3Error("type", `There is no image ${index}: the instance has ${this.#images}, counted from 0.`);
  }

  useImage(index) {
    native.imageUse(this.#holder, this.#image(index));
  }

  resetImage(index) {
    native.imageReset(this.#holder, this.#image(index));
  }

  get imageBytes() {
    return native.stats(this.#holder)[2];
  }

  get metacodeBytes() {
    return native.stats(this.#holder)[0];
  }

  get codePageBytes() {
    return native.stats(this.#holder)[1];
  }

  free() {
    native.free(this.#holder);
  }
}

export { Wasm3Error };

export function compile(bytes) {
  return new Wasm3Module(bytes);
}

export function load(module, options = {}) {
  return new Wasm3Instance(module instanceof Wasm3Module ? module : compile(module), options);
}
