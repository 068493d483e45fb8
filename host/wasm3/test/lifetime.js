/**
 * Run by lifetime.test.ts in a process of its own, with --expose-gc. Prints one JSON object of megabytes.
 * argv: "free" (each instance is freed), "collect" (none is), "refuse" (each load fails) or "images" (none is; each has several memories).
 */
import { load } from "../index.js";

const [mode, hex] = process.argv.slice(2);
const bytes = Buffer.from(hex, "hex");
const CYCLES = 20_000;
/** The heap and the allocator grow to their working size first. */
const WARM_UP = 10_000;

function cycle() {
  // The import refers to its instance: a cycle through native code, which the collector must see through.
  const instance = load(bytes, {
    memoryLimit: 16384,
    images: mode === "images" ? 5 : 1,
    imports: { host: { fill: (at) => instance.memory.write(at, Uint8Array.of(at)) } },
  });
  if (mode === "images") {
    for (const image of [1, 2, 3]) instance.useImage(image);
    for (const image of [2, 3, 4]) instance.resetImage(image);
  }
  if (instance.call("run", 7) !== 7) throw new Error("wrong answer");
  if (mode === "free") instance.free();
}

function refuse() {
  try {
    load(bytes, {
      memoryLimit: 16384,
      imports: {
        host: {
          fill: () => {
            throw new Error("no");
          },
        },
      },
    }).call("run", 7);
  } catch {}
  try {
    // Fails in the start function, after everything was allocated.
    load(bytes, { memoryLimit: 16384, stackBytes: 1, imports: { host: { fill: () => 0 } } }).call("run", 7);
  } catch {}
}

const once = mode === "refuse" ? refuse : cycle;
const megabytes = () => {
  globalThis.gc();
  return process.memoryUsage.rss() / (1 << 20);
};
/** Finalizers run between turns of the event loop. */
const turn = () => new Promise((resolve) => setImmediate(resolve));

async function run(count) {
  for (let i = 0; i < count; ++i) {
    once();
    if (i % 100 === 0) await turn();
  }
  await turn();
}

await run(WARM_UP);
const before = megabytes();
await run(CYCLES);
const after = megabytes();
console.log(JSON.stringify({ before, after }));
