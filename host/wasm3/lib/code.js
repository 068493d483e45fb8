/**
 * The instructions that wasm3 executes as the specification says. V8 knows more (SIMD, references, tail calls,
 * exceptions, ...), and wasm3 0.5.0 miscompiles some of those instead of refusing them.
 */
import { Wasm3Error } from "./error.js";

/** Reads an instruction's immediates. @typedef {(reader: import("./reader.js").Reader) => void} Immediates */

/** @type {(Immediates | undefined)[]} */
const operations = new Array(256);
/**
 * @param {number} first
 * @param {number} last
 * @param {Immediates} immediates
 */
const define = (first, last, immediates) => operations.fill(immediates, first, last + 1);

const none = () => {};
/** @type {Immediates} */
const index = (reader) => {
  reader.u32();
};
/** @type {Immediates} */
const twoIndices = (reader) => {
  reader.u32();
  reader.u32();
};
/** @type {Immediates} */
const blockType = (reader) => {
  reader.s33();
};

define(0x00, 0x01, none); // unreachable, nop
define(0x02, 0x04, blockType); // block, loop, if
define(0x05, 0x05, none); // else
define(0x0b, 0x0b, none); // end
define(0x0c, 0x0d, index); // br, br_if
define(0x0e, 0x0e, (reader) => {
  for (let targets = reader.u32() + 1; targets > 0; --targets) reader.u32();
}); // br_table
define(0x0f, 0x0f, none); // return
define(0x10, 0x10, index); // call
define(0x11, 0x11, twoIndices); // call_indirect
define(0x1a, 0x1b, none); // drop, select
define(0x20, 0x24, index); // locals and globals
define(0x28, 0x3e, twoIndices); // loads and stores
define(0x3f, 0x40, index); // memory.size, memory.grow
define(0x41, 0x42, (reader) => reader.leb()); // i32.const, i64.const
define(0x43, 0x43, (reader) => reader.skip(4)); // f32.const
define(0x44, 0x44, (reader) => reader.skip(8)); // f64.const
define(0x45, 0xc4, none); // numeric, sign extension
define(0xfc, 0xfc, (reader) => {
  const operation = reader.u32();
  if (operation < 8) return; // saturating conversions
  if (operation === 10) return twoIndices(reader); // memory.copy
  if (operation === 11) return index(reader); // memory.fill
  throw new Wasm3Error(
    "unsupported",
    `wasm3 does not support the instruction 0xfc ${operation}, at byte ${reader.at}.`,
  );
});

/** wasm3 compiles a nested block with a nested C call. */
const MAX_DEPTH = 200;
/** Each loop that a function enters keeps a C frame until the function returns. */
const MAX_LOOPS = 1000;
/** wasm3 gives every local a place in its slot table. */
const MAX_LOCALS = 500;

/**
 * Checks one function's body (locals and code).
 * @param {import("./reader.js").Reader} reader positioned at the body, ending with it
 * @param {(type: number) => void} checkType
 * @returns how many loops it has: without one, it ends
 */
export function scanBody(reader, checkType) {
  const start = reader.at;
  let locals = 0;
  for (let groups = reader.u32(); groups > 0; --groups) {
    locals += reader.u32();
    checkType(reader.byte());
  }
  refuse(locals > MAX_LOCALS, `has ${locals} locals; at most ${MAX_LOCALS} are supported`, start);

  let depth = 1;
  let loops = 0;
  while (reader.at < reader.end) {
    const opcode = reader.byte();
    const immediates = operations[opcode];
    if (!immediates) {
      const hex = opcode.toString(16).padStart(2, "0");
      throw new Wasm3Error("unsupported", `wasm3 does not support the instruction 0x${hex}, at byte ${reader.at - 1}.`);
    }
    immediates(reader);
    if (opcode >= 0x02 && opcode <= 0x04) ++depth;
    if (opcode === 0x03) ++loops;
    if (opcode === 0x0b) --depth;
    refuse(depth > MAX_DEPTH, `nests more than ${MAX_DEPTH} blocks`, start);
    refuse(loops > MAX_LOOPS, `has more than ${MAX_LOOPS} loops`, start);
  }
  return loops;
}

/**
 * @param {boolean} condition
 * @param {string} what
 * @param {number} at
 */
function refuse(condition, what, at) {
  if (condition) throw new Wasm3Error("unsupported", `The function at byte ${at} ${what}.`);
}
