// @ts-check
/**
 * A process that runs cloud parts. onnxruntime is native code: what kills it, or hangs it, or makes it eat all memory, does so to a process of
 * its own. Plain JavaScript, because Node starts a process from a file as it lies there, compiled or not.
 *
 * Takes one request at a time and answers each: { load } and { run } as below with { logits }, {} or { error }; { drop } is not answered. Says
 * { ready: true } first.
 */
import { writeFileSync } from "node:fs";
import { Worker as Thread } from "node:worker_threads";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { unpacker } from "./unpack.js";

/** @typedef {{ model: number, onnx: Uint8Array, input: string, output: string, payload: import("./unpack.js").Layout }} Load */
/** `payloads`: one after another. `size`: of the batch that onnxruntime sees; the last row stands in for rows that are missing. */
/** @typedef {{ model: number, payloads: Uint8Array, size: number }} Run */
/** @typedef {{ load?: Load, run?: Run, drop?: number }} Request */
/** @typedef {Omit<Load, "onnx"> & { session: InferenceSession, unpack: ReturnType<typeof unpacker> }} Loaded */

/** @type {Map<number, Loaded>} */
const models = new Map();

/** @param {Load} load */
async function load({ model, onnx, ...rest }) {
  const session = await InferenceSession.create(onnx, {
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    executionMode: "sequential",
    // Warnings are of no use to who serves the model; errors are thrown anyway.
    logSeverityLevel: 3,
  });
  models.set(model, { model, ...rest, session, unpack: unpacker(rest.payload) });
  return {};
}

/** @param {Run} run */
async function run({ model, payloads, size }) {
  const { session, unpack, input, output, payload } = /** @type {Loaded} */ (models.get(model));
  const count = payloads.length / payload.bytes;
  const values = unpack(payloads, count, size);
  const outputs = await session.run({ [input]: new Tensor("float32", values, [size, ...payload.shape]) }, [output]);
  const { data, dims } = /** @type {Tensor} */ (outputs[output]);
  if (!(data instanceof Float32Array)) throw new Error(`the output ${output} is no float32 tensor`);
  if (dims[0] !== size) throw new Error(`the output ${output} of ${size} samples has the shape [${dims.join(", ")}]`);
  return { logits: data.slice(0, (data.length / size) * count) };
}

/** @param {number} model */
async function drop(model) {
  const session = models.get(model)?.session;
  models.delete(model);
  await session?.release();
}

/** @param {unknown} message */
const say = (message) => process.send?.(message);

process.on("message", async (/** @type {Request} */ request) => {
  if (request.drop !== undefined) return drop(request.drop);
  try {
    say(request.load ? await load(request.load) : await run(/** @type {Run} */ (request.run)));
  } catch (error) {
    say({ error: error instanceof Error ? error.message : String(error) });
  }
});

// Its parent decides when it ends, not who stops the whole group of processes.
process.on("SIGINT", () => undefined).on("SIGTERM", () => undefined);
process.on("disconnect", () => process.exit());
try {
  // Where memory runs out, Linux should take this process and not its parent.
  writeFileSync("/proc/self/oom_score_adj", "1000");
} catch {
  // Elsewhere there is no such file.
}
new Thread(new URL("./member-watch.js", import.meta.url), {
  workerData: { parent: process.ppid, memory: Number(process.argv[2]) },
}).unref();
say({ ready: true });
