/** The layers that are measured: compiled by Hedge, with their input and output, and the same parameters for natural C. */
import { compileModel } from "../../../dist/bundle/compile.js";
import { encodeModel } from "../../../dist/import/onnx/codec.js";
import { hybridModel } from "../../../dist/zoo/hybrid.js";

/** A sample of noise; what a module does hardly depends on it. */
export const noise = (length) => Int8Array.from({ length }, (_, i) => ((i * 2654435761) >>> 24) - 128);

/** A binarized layer on a 16x16 map behind a first convolution. */
export async function binaryLayer(channels, shortcut) {
  const layer = { outputs: channels, kernel: [3, 3], stride: 1, padValue: -1, shortcut };
  const shape = {
    input: [3, 16, 16],
    first: { outputs: channels, kernel: 3, stride: 1, padded: true },
    layers: [layer],
    exitWindow: 4,
    classes: 10,
    payloadBits: 2,
  };
  const compilation = await compileModel(encodeModel(hybridModel(shape)), "binary-layer.onnx");
  const outputs = runInV8(compilation, ["stream.0", "stream.1"]);
  return {
    job: jobOf(compilation),
    name: "stream.1",
    rows: compilation.bundle.manifest.layers,
    macs: channels * channels * 9 * 256,
    output: outputs.get("stream.1"),
    natural: {
      source: "binary-conv.c",
      ...binaryParameters(compilation.graph, channels, shortcut === "identity"),
      sample: new Int8Array(outputs.get("stream.0").buffer),
    },
  };
}

export function jobOf({ bundle }) {
  const { edgeWasm, weights, manifest } = bundle;
  return { edgeWasm, weights, module: manifest.module, sample: noise(manifest.module.inputBytes) };
}

/** Bytes of the named layers' outputs, each behind its step. */
function runInV8({ bundle, plan }, names) {
  let memory;
  const load_weights = (to, from, bytes) =>
    new Uint8Array(memory.buffer).set(plan.weights.subarray(from, from + bytes), to);
  const instance = new WebAssembly.Instance(new WebAssembly.Module(bundle.edgeWasm), { hedge: { load_weights } });
  memory = instance.exports.memory;
  const { input, inputBytes } = bundle.manifest.module;
  new Int8Array(memory.buffer).set(noise(inputBytes), input);
  const outputs = new Map();
  for (const [index, layers] of plan.steps.entries()) {
    instance.exports.step(index);
    for (const { name, output, outputShape } of layers) {
      const elements = outputShape.reduce((a, b) => a * b);
      if (names.includes(name)) outputs.set(name, new Uint8Array(memory.buffer, output.address, elements).slice());
    }
  }
  return outputs;
}

/** The parameters of natural/binary-conv.c, read from the graph around "stream.1". */
function binaryParameters(graph, channels, shortcut) {
  const node = (output) => graph.nodes.find((candidate) => candidate.output === output);
  const values = (name) => graph.tensors.get(name).values;
  const sum = node(node("stream.1").inputs[0]);
  const scaled = shortcut ? sum.inputs.map(node).find(({ op }) => op === "mul") : sum;
  const conv = node(scaled.inputs[0]);
  const threshold = node(conv.inputs[0]);
  const { step } = graph.tensors.get(scaled.output).grid;
  const alpha = Int32Array.from(values(scaled.inputs[1]), (value) => value / step);
  const shift = Math.log2(graph.tensors.get("stream.1").grid.step / step);
  // A falling channel's bit is kept inverted, and so are its weights.
  const { rising } = threshold.attributes;
  const thresholds = Int16Array.from(values(threshold.inputs[1]), (value, c) => (rising[c] ? value : -value));
  const bit = (value, c) => value > 0 === (rising[c] === 1);
  const weight = values(conv.inputs[1]);
  const filters = new Uint8Array((channels * channels * 9) / 8);
  for (let k = 0; k < channels; k++)
    for (let c = 0; c < channels; c++)
      for (let tap = 0; tap < 9; tap++) {
        const at = (k * 9 + tap) * channels + c;
        if (bit(weight[(k * channels + c) * 9 + tap], c)) filters[at >> 3] |= 1 << (at & 7);
      }
  const pad = new Uint8Array(channels / 8);
  for (let c = 0; c < channels; c++) if (bit(-1, c)) pad[c >> 3] |= 1 << (c & 7);
  const parts = [alpha, thresholds, pad, filters].map(({ buffer }) => Buffer.from(buffer));
  return {
    defines: { CHANNELS: channels, SIDE: 16, SHIFT: shift, SHORTCUT: shortcut ? 1 : 0 },
    weights: Buffer.concat(parts),
  };
}
