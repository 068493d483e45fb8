// @ts-check
/**
 * A thread that runs cloud parts: onnxruntime computes on the thread that calls it, which must not be the one that serves MQTT.
 * Plain JavaScript, because Node starts a thread from a file as it lies there, compiled or not.
 *
 * Takes { id, model, values, dims } and answers { id, logits } or { id, error }; says { ready: true } once every session stands.
 */
import { parentPort, workerData } from "node:worker_threads";
import { InferenceSession, Tensor } from "onnxruntime-node";

/** @typedef {{ onnx: Uint8Array, input: string, output: string }} CloudModel */
/** @typedef {{ id: number, model: number, values: Float32Array, dims: number[] }} Job */

const port = /** @type {import("node:worker_threads").MessagePort} */ (parentPort);
const models = /** @type {CloudModel[]} */ (workerData.models);

const sessions = await Promise.all(
  models.map(({ onnx }) => InferenceSession.create(onnx, { intraOpNumThreads: 1, interOpNumThreads: 1 })),
);

port.on("message", async (/** @type {Job} */ { id, model, values, dims }) => {
  try {
    const session = /** @type {InferenceSession} */ (sessions[model]);
    const { input, output } = /** @type {CloudModel} */ (models[model]);
    const outputs = await session.run({ [input]: new Tensor("float32", values, dims) }, [output]);
    const logits = outputs[output]?.data;
    if (!(logits instanceof Float32Array)) throw new Error(`the output ${output} is no float32 tensor`);
    port.postMessage({ id, logits });
  } catch (error) {
    port.postMessage({ id, error: error instanceof Error ? error.message : String(error) });
  }
});
port.postMessage({ ready: true });
