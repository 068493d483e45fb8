/** Prints the figures of the code generator: node tools/bench/codegen/main.js  (`make bench-codegen`) */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compileModel } from "../../../dist/bundle/compile.js";
import { sumByLayer, sumOfSteps } from "../../../dist/explore/wasm3-cost.js";
import { encodeModel } from "../../../dist/import/onnx/codec.js";
import { hybridModel } from "../../../dist/zoo/hybrid.js";
import { hybridResNet } from "../../../dist/zoo/hybrid-resnet.js";
import { binaryLayer, jobOf } from "./layers.js";
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
  const perMac = (name, instructions, { macs }) => figure(name, instructions / macs, 3, "instructions per MAC");

  for (const channels of [32, 64]) {
    for (const shortcut of ["none", "identity"]) {
      const tag = `binconv${channels}${shortcut === "identity" ? ".residual" : ""}`;
      progress(tag);
      const layer = await binaryLayer(channels, shortcut);
      const own = (steps) => sumByLayer(layer.rows, steps).find((cost) => cost.layer.name === layer.name).instructions;
      const ours = await countSteps(on, layer.job);
      perMac(`arm.${tag}.stock`, own(ours.arm), layer);
      perMac(`arm.${tag}.tuned`, own(ours.armTuned), layer);
      perMac(`x86.${tag}`, own(ours.x86), layer);
      perMac(`x86.${tag}.popcnt`, own(ours.x86Popcnt), layer);
      const clang = await countSteps({ arm: on.arm, x86: on.x86 }, await naturalModule(layer, folder));
      perMac(`arm.${tag}.clang`, sumOfSteps(clang.arm), layer);
      perMac(`x86.${tag}.clang`, sumOfSteps(clang.x86), layer);
      const native = await countNative(layer, folder);
      perMac(`arm.${tag}.native`, native.arm, layer);
      perMac(`x86.${tag}.native`, native.x86, layer);
    }
  }

  progress("ResNet-32, 20 layers on the edge");
  const model = encodeModel(hybridModel(hybridResNet(32, 10, 2), { name: "resnet32" }));
  const started = performance.now();
  const compilation = await compileModel(model, "resnet32.onnx");
  figure("compile.resnet32", (performance.now() - started) / 1000, 2, "s");
  const { module } = compilation.bundle.manifest;
  const report = await on.arm(jobOf(compilation));
  figure("net.arm.portable", sumOfSteps(report.steps) / 1e6, 1, "M instructions");
  figure(
    "net.arm.portable.tuned",
    sumOfSteps((await on.armTuned(jobOf(compilation))).steps) / 1e6,
    1,
    "M instructions",
  );
  figure("resnet32.metacode", report.metacodeBytes, 0, "B");
  figure("resnet32.linear", module.memoryBytes, 0, "B");
  figure("resnet32.heap", report.heapBytes, 0, "B");
  figure("resnet32.flash", compilation.bundle.edgeWasm.length + compilation.bundle.weights.length, 0, "B");
} finally {
  await rm(folder, { recursive: true, force: true });
}
