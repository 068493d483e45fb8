/**
 * Run by fuzz.test.ts in a process of its own: alters modules at random and runs every variant that passes validation.
 * A crash ends the process; anything that is thrown must be a Wasm3Error. Prints how far the variants came.
 * argv: seed, rounds, then modules in hex.
 */
import { compile, load, Wasm3Error } from "../index.js";
import { scan } from "../lib/scan.js";

const [seed, rounds, ...hexes] = process.argv.slice(2);
const seeds = hexes.map((hex) => Buffer.from(hex, "hex"));
const counts = { invalid: 0, refused: 0, ran: 0, trapped: 0 };

/** xorshift32. */
let state = Number(seed);
function random(limit) {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return (state >>> 0) % limit;
}

/** wasm3 cannot be interrupted, so a variant with a loop might never end. */
function hasLoop(bytes) {
  try {
    return scan(bytes).loops > 0;
  } catch {
    return false; // refused later
  }
}

function argument(type) {
  const value = [0, 1, -1, 100, 65535, -(2 ** 31)][random(6)];
  return type === "i64" ? BigInt(value) : value;
}

const IMAGES = 3;

function runAll(bytes) {
  let instance;
  let images = 1;
  try {
    const host = new Proxy({}, { get: () => () => 0 });
    const module = compile(bytes);
    if (module.memoryIsState) images = IMAGES;
    const imports = new Proxy({}, { get: () => host });
    instance = load(module, { memoryLimit: 70_000, stackBytes: 4096, images, imports });
  } catch (error) {
    if (!(error instanceof Wasm3Error)) throw error;
    ++counts[error.code.startsWith("trap") ? "trapped" : "refused"];
    return;
  }
  for (const entry of instance.module.exports) {
    if (entry.kind !== "function") continue;
    try {
      instance.useImage(random(images));
      if (random(4) === 0) instance.resetImage(random(images));
      instance.call(entry.name, ...entry.params.map(argument));
      ++counts.ran;
    } catch (error) {
      if (!(error instanceof Wasm3Error)) throw error;
      ++counts.trapped;
    }
  }
  instance.free();
}

for (let round = 0; round < Number(rounds); ++round) {
  const bytes = Uint8Array.from(seeds[random(seeds.length)]);
  for (let changes = 1 + random(3); changes > 0; --changes) bytes[8 + random(bytes.length - 8)] = random(256);
  if (!WebAssembly.validate(bytes) || hasLoop(bytes)) {
    ++counts.invalid;
    continue;
  }
  runAll(bytes);
}
console.log(JSON.stringify(counts));
