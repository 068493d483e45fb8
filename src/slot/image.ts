/**
 * The image of a model slot: a signed header, then the bundle's module and weights. What a device checks before it runs anything is
 * checked here by the same rules.
 */
import { sign, verify } from "node:crypto";
import type { Bundle } from "../bundle/bundle.ts";
import { sha256Hex } from "../bundle/digest.ts";
import { resultCount } from "../bundle/manifest.ts";
import { thresholdWord } from "../engine/edge-engine.ts";
import { HedgeError } from "../errors.ts";
import { readCapped } from "../files.ts";
import { elementCount } from "../graph/graph.ts";
import {
  bodyBytes,
  decodeHeader,
  encodeHeader,
  flawOf,
  HEADER_BYTES,
  NAME_BYTES,
  SIGNED_BYTES,
  type SlotHeader,
  weightsOffset,
} from "./header.ts";
import type { PublicKey, SigningKey } from "./keys.ts";

/** No slot of any board is larger. */
const MAX_IMAGE_BYTES = 16 << 20;
/** r and s, as devices read them. */
const ENCODING = "ieee-p1363";

export interface SlotImage {
  readonly header: SlotHeader;
  /** All of it: header, module, padding, weights. */
  readonly bytes: Uint8Array;
}

/**
 * Makes and signs the image of a bundle.
 * @throws HedgeError (input) for a model that no device takes: it names the limit
 */
export function createImage(bundle: Bundle, key: SigningKey, counter: number): SlotImage {
  const { manifest, digest, edgeWasm, weights } = bundle;
  const { module, exit, payload, output, classes } = manifest;
  const body = Buffer.alloc(bodyBytes({ wasmBytes: edgeWasm.length, weightsBytes: weights.length }));
  body.set(edgeWasm);
  body.set(weights, weightsOffset(edgeWasm.length));
  const header: SlotHeader = {
    ...module,
    counter,
    hybrid: exit !== undefined,
    wasmBytes: edgeWasm.length,
    weightsBytes: weights.length,
    resultCount: resultCount(manifest),
    payloadBytes: payload?.bytes ?? 0,
    thresholdValue: exit ? thresholdWord(exit.threshold) : 0,
    classes: output ? (output.labels ? elementCount(output.shape) : 0) : classes.length,
    keyId: key.id,
    name: manifest.name.replace(/[^ -~]/g, "?").slice(0, NAME_BYTES),
    digest,
    bodySha256: sha256Hex(body),
  };
  const flaw = flawOf(header);
  if (flaw)
    throw new HedgeError(
      "input",
      `${manifest.name} ${flaw}: no device takes it.`,
      "Compile the model again, or a smaller one.",
    );
  const signed = encodeHeader(header);
  const signature = sign("sha256", signed, { key: key.secret, dsaEncoding: ENCODING });
  return { header, bytes: Buffer.concat([signed, signature, body]) };
}

/**
 * Takes an image apart, and checks all but its signature.
 * @param where names it in the error
 * @throws HedgeError (input) when it is none, is truncated or was altered
 */
export function parseImage(bytes: Uint8Array, where: string): SlotImage {
  const header = decodeHeader(bytes, where);
  const body = bytes.subarray(HEADER_BYTES);
  const expected = bodyBytes(header);
  const remedy = "Copy it again from where it was signed, or sign the bundle again.";
  if (body.length !== expected)
    throw new HedgeError("input", `${where} has ${body.length} bytes behind its header, not ${expected}.`, remedy);
  if (sha256Hex(body) !== header.bodySha256)
    throw new HedgeError("input", `${where} was altered: its hash differs from that in its header.`, remedy);
  return { header, bytes };
}

/** Reads an image. @throws HedgeError (input) as `parseImage`, and for a file that cannot be read */
export async function readImage(path: string): Promise<SlotImage> {
  return parseImage(await readCapped(path, MAX_IMAGE_BYTES, "Make one with hedge sign."), path);
}

/**
 * Checks who signed an image.
 * @throws HedgeError (input) when it was none of `trusted`, or the header was altered since
 */
export function verifyImage({ header, bytes }: SlotImage, trusted: readonly PublicKey[], where: string): void {
  const signer = trusted.find(({ id }) => id === header.keyId);
  if (!signer) {
    const sentence = `${where} was signed by key ${header.keyId}, which is not trusted here.`;
    throw new HedgeError("input", sentence, "Sign it with a trusted key, or name its signer's public key.");
  }
  const signature = bytes.subarray(SIGNED_BYTES, HEADER_BYTES);
  if (!verify("sha256", bytes.subarray(0, SIGNED_BYTES), { key: signer.key, dsaEncoding: ENCODING }, signature))
    throw new HedgeError("input", `${where} has a bad signature.`, "Sign the bundle again.");
}

/** What of a board's flash a model may take. */
export interface SlotRoom {
  /** The board's. */
  readonly name: string;
  /** The last sector of a slot is its status sector. */
  readonly slots?: { readonly slotBytes: number; readonly sectorBytes: number } | undefined;
}

/** @throws HedgeError: usage for a board without slots, input when the image is larger than its slots */
export function requireRoom({ bytes, header }: SlotImage, { name, slots }: SlotRoom): void {
  if (!slots) {
    const remedy = "Take one of the boards whose file lists slots, such as mps2-an386.";
    throw new HedgeError("usage", `${name} has no slots for models: nothing is known of its flash.`, remedy);
  }
  const room = slots.slotBytes - slots.sectorBytes;
  if (bytes.length <= room) return;
  const sentence = `${header.name} takes ${bytes.length} bytes, and a slot of ${name} has ${room}.`;
  throw new HedgeError("input", sentence, "Compile a smaller model, or take a board with larger slots.");
}
