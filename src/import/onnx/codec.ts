/** ONNX files <-> plain objects. */
import { DIAGNOSTICS } from "../../diagnostics.ts";
import { HedgeError } from "../../errors.ts";
import { readCapped } from "../../files.ts";
import { isStandardDomain, nodeTitle } from "./attributes.ts";
import { MODEL_PROTO } from "./schema.ts";
import type { OnnxModel } from "./types.ts";

/** Hybrid networks for microcontrollers are a few megabytes; protobuf itself ends at 2 GiB. */
export const MAX_MODEL_BYTES = 512 << 20;
/** Newer files may hold fields whose meaning is not known here. */
const MAX_IR_VERSION = 13;

const EXPORT_AGAIN = DIAGNOSTICS.H101.remedy;

/** A number is handier than a bigint and, within 2^53, as exact. Works in place. */
function narrow(value: unknown): unknown {
  if (typeof value === "bigint") {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value;
  }
  if (value === null || typeof value !== "object" || value instanceof Uint8Array) return value;
  const record = value as Record<string, unknown>;
  for (const key of Object.keys(record)) record[key] = narrow(record[key]);
  return record;
}

/**
 * Decodes an ONNX file. Nothing of its graph is checked beyond being there.
 * @param fileName names the file in errors.
 * @throws HedgeError (input) when the bytes are too many, cut short, or not an ONNX model.
 */
export function decodeModel(bytes: Uint8Array, fileName: string): OnnxModel {
  if (bytes.length === 0) throw new HedgeError("input", `${fileName} is empty.`, EXPORT_AGAIN, { code: "H101" });
  if (bytes.length > MAX_MODEL_BYTES) throw tooBig(fileName, bytes.length);
  let model: Partial<OnnxModel>;
  try {
    model = narrow(
      MODEL_PROTO.toObject(MODEL_PROTO.decode(bytes), { arrays: true, longs: BigInt }),
    ) as Partial<OnnxModel>;
  } catch (cause) {
    throw new HedgeError("input", `${fileName} is not an ONNX model, or is cut short.`, EXPORT_AGAIN, {
      cause,
      code: "H101",
    });
  }
  const ir = model.irVersion;
  if (typeof ir !== "number" || ir < 1) {
    throw new HedgeError("input", `${fileName} is not an ONNX model: it states no IR version.`, EXPORT_AGAIN, {
      code: "H101",
    });
  }
  if (ir > MAX_IR_VERSION) {
    throw new HedgeError(
      "input",
      `${fileName} has ONNX IR version ${ir}, of which Hedge knows nothing.`,
      `Export the model with IR version ${MAX_IR_VERSION} or lower.`,
      { code: "H103" },
    );
  }
  if (!model.graph || model.graph.node.length === 0) {
    throw new HedgeError("input", `${fileName} holds no graph; it may be cut short.`, EXPORT_AGAIN, { code: "H101" });
  }
  checkOpsets(model as OnnxModel, fileName);
  return model as OnnxModel;
}

/** A file cut between two fields still decodes; the operator sets, which come late, then miss what the nodes use. */
function checkOpsets(model: OnnxModel, fileName: string): void {
  const imported = new Set(model.opsetImport.map(({ domain }) => (isStandardDomain(domain) ? "" : domain)));
  for (const node of model.graph.node) {
    if (!imported.has(isStandardDomain(node.domain) ? "" : node.domain)) {
      const domain = isStandardDomain(node.domain) ? "ai.onnx" : node.domain;
      throw new HedgeError(
        "input",
        `${fileName} does not import the operator set "${domain}" of ${nodeTitle(node)}; it may be cut short.`,
        EXPORT_AGAIN,
        { code: "H103" },
      );
    }
  }
}

/** The bytes of an ONNX file. */
export function encodeModel(model: OnnxModel): Uint8Array {
  return new Uint8Array(MODEL_PROTO.encode(MODEL_PROTO.fromObject(model)).finish());
}

/** The bytes of an ONNX file of a size that is sensible; a HedgeError otherwise. */
export function readModelBytes(path: string): Promise<Uint8Array> {
  return readCapped(path, MAX_MODEL_BYTES, EXPORT_AGAIN);
}

function tooBig(fileName: string, bytes: number): HedgeError {
  return new HedgeError(
    "input",
    `${fileName} has ${bytes} bytes, more than the ${MAX_MODEL_BYTES} that Hedge reads.`,
    DIAGNOSTICS.H102.remedy,
    { code: "H102" },
  );
}
