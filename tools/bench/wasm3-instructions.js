/**
 * Prints what a bundle costs on wasm3, layer by layer: node tools/bench/wasm3-instructions.js BUNDLE [default|mcu]
 * Needs `npm run build`, a C compiler and valgrind.
 */
import { readBundle } from "../../dist/bundle/read.js";
import { HedgeError } from "../../dist/errors.js";
import { costFigures, costLines } from "../../dist/explore/cost-text.js";
import { measureWasm3 } from "../../dist/explore/wasm3-cost.js";

const [directory, profile = "default"] = process.argv.slice(2);
if (!directory || !["default", "mcu"].includes(profile)) {
  console.error("usage: node tools/bench/wasm3-instructions.js BUNDLE [default|mcu]");
  process.exit(2);
}

/** A sample of noise; the count does not depend on it. */
const noise = (length) => Int8Array.from({ length }, (_, i) => ((i * 2654435761) >>> 24) - 128);

try {
  const bundle = await readBundle(directory);
  const { module } = bundle.manifest;
  const cost = await measureWasm3(bundle, noise(module.inputBytes), profile);
  for (const line of [...costLines(cost), ...costFigures(cost)]) console.log(line);
  console.log(`${cost.metacodeBytes} bytes of metacode (64-bit)`);
} catch (error) {
  if (!(error instanceof HedgeError)) throw error;
  console.error(`${error.message}\n${error.remedy}`);
  process.exit(error.exitCode);
}
