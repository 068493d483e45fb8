/**
 * Prints what a bundle costs on wasm3, layer by layer: node tools/bench/wasm3-instructions.js BUNDLE [default|mcu]
 * Needs `npm run build`, a C compiler and valgrind.
 */
import { readBundle } from "../../dist/bundle/read.js";
import { HedgeError } from "../../dist/errors.js";
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
  for (const { layer, instructions } of cost.layers) {
    const perMac = layer.macs > 0 ? (instructions / layer.macs).toFixed(3) : "-";
    console.log(
      `${layer.name.padEnd(24)} ${layer.kind.padEnd(16)} ${String(instructions).padStart(11)} ${perMac.padStart(9)} per MAC`,
    );
  }
  const binary = cost.layers.filter(({ layer }) => layer.weightBits === 1 && layer.macs > 0);
  const sum = (pick) => binary.reduce((total, entry) => total + pick(entry), 0);
  console.log(
    `${cost.steps.length} steps, ${cost.instructions} instructions, ${cost.metacodeBytes} bytes of metacode (64-bit)`,
  );
  const figure = (name, value, unit) => console.log(`figure ${name} ${value} ${unit}`);
  if (binary.length > 0) {
    figure(
      "wasm3.ir_per_mac",
      (sum((entry) => entry.instructions) / sum((entry) => entry.layer.macs)).toFixed(3),
      "instructions",
    );
  }
  figure("wasm3.ram.bytes", module.memoryBytes + module.stackBytes + cost.metacodeBytes, "B");
  figure("module.bytes", bundle.edgeWasm.length, "B");
} catch (error) {
  if (!(error instanceof HedgeError)) throw error;
  console.error(`${error.message}\n${error.remedy}`);
  process.exit(error.exitCode);
}
