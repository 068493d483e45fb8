/** Prints the figures of the code generator: node tools/bench/codegen/main.js  (`make bench-codegen`) */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compileModel } from "../../../dist/bundle/compile.js";
import { HedgeError } from "../../../dist/errors.js";
import { sumOfSteps } from "../../../dist/explore/wasm3-cost.js";
import { encodeModel } from "../../../dist/import/onnx/codec.js";
import { hybridModel } from "../../../dist/zoo/hybrid.js";
import { hybridResNet } from "../../../dist/zoo/hybrid-resnet.js";
import { binary, first, levels, residual } from "./layers.js";
import { interpreters } from "./machines.js";
import { countNative, naturalModule } from "./natural.js";

const folder = await mkdtemp(join(tmpdir(), "hedge-codegen-"));
const progress = (text) => console.error(text);
const figure = (name, value, digits, unit) => console.log(`figure ${name} ${value.toFixed(digits)} ${unit}`);

/** Steps of a module by machine; memory must be the same behind each of them on all machines. */
async function countSteps(machines, job) {
  const counts = {};
  let first;
  for (const [name, machine] of Object.entries(machines)) {
    const { steps } = await machine(job);
    first ??= steps;
    for (const [i, { step, memory }] of steps.entries())
      if (memory !== first[i]?.memory) throw new Error(`wasm3 (${name}) computes other bytes in step ${step}`);
    counts[name] = steps;
  }
  return counts;
}

try {
  progress("building wasm3 for x86-64 and Cortex-M4");
  const on = await interpreters();
  const perMac = (name, instructions, macs) => figure(name, instructions / macs, 3, "instructions per MAC");

  /** Counts one layer: emitted by Hedge, and as C by clang and by gcc. */
  const count = async (name, make) => {
    progress(name);
    let layer;
    try {
      layer = make();
    } catch (e) {
      if (!(e instanceof HedgeError)) throw e;
      progress(`  ${e.message}`);
      return;
    }
    progress(`  ${layer.why}`);
    const ours = await countSteps(on, layer.job);
    const own = Object.fromEntries(
      Object.entries(ours).map(([machine, steps]) => [machine, steps[layer.step].instructions]),
    );
    const clang = await countSteps({ arm: on.arm, x86: on.x86 }, await naturalModule(layer, folder));
    return {
      macs: layer.macs,
      ...own,
      armClang: sumOfSteps(clang.arm),
      x86Clang: sumOfSteps(clang.x86),
      native: await countNative(layer, folder),
    };
  };
  for (const [name, make] of [
    ["binconv32", () => binary(32)],
    ["binconv64", () => binary(64)],
    ["resconv16", () => residual(16)],
    ["resconv32", () => residual(32)],
    ["resconv64", () => residual(64)],
  ]) {
    const counts = await count(name, make);
    if (!counts) continue;
    perMac(`arm.${name}.stock`, counts.arm, counts.macs);
    perMac(`arm.${name}.tuned`, counts.armTuned, counts.macs);
    perMac(`arm.${name}.clang`, counts.armClang, counts.macs);
    perMac(`arm.${name}.native`, counts.native.arm, counts.macs);
    perMac(`x86.${name}`, counts.x86, counts.macs);
    perMac(`x86.${name}.popcnt`, counts.x86Popcnt, counts.macs);
    perMac(`x86.${name}.clang`, counts.x86Clang, counts.macs);
    perMac(`x86.${name}.native`, counts.native.x86, counts.macs);
  }
  for (const [name, make] of [
    ["conv2w2a", () => levels(2)],
    ["conv4w4a", () => levels(4)],
    ["firstconv", first],
  ]) {
    const counts = await count(name, make);
    if (!counts) continue;
    perMac(`arm.${name}.stock`, counts.arm, counts.macs);
    perMac(`arm.${name}.clang`, counts.armClang, counts.macs);
    figure(`${name}.vs_clang`, counts.armClang / counts.arm, 2, "times");
  }

  progress("ResNet-32, 20 layers on the edge");
  const model = encodeModel(hybridModel(hybridResNet(32, 10, 2), { name: "resnet32" }));
  const started = performance.now();
  const compilation = await compileModel(model, "resnet32.onnx");
  figure("compile.resnet32", (performance.now() - started) / 1000, 2, "s");
  const { module } = compilation.bundle.manifest;
  const { edgeWasm, weights } = compilation.bundle;
  const job = {
    edgeWasm,
    weights,
    module,
    sample: new Int8Array(module.inputBytes).map((_, i) => (i * 2654435761) >>> 24),
  };
  const report = await on.arm(job);
  figure("net.arm.portable", sumOfSteps(report.steps) / 1e6, 1, "M instructions");
  figure("net.arm.portable.tuned", sumOfSteps((await on.armTuned(job)).steps) / 1e6, 1, "M instructions");
  figure("resnet32.metacode", report.metacodeBytes, 0, "B");
  figure("resnet32.linear", module.memoryBytes, 0, "B");
  figure("resnet32.heap", report.heapBytes, 0, "B");
  figure("resnet32.flash", compilation.bundle.edgeWasm.length + compilation.bundle.weights.length, 0, "B");
} finally {
  await rm(folder, { recursive: true, force: true });
}
