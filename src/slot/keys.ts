/**
 * Keys that sign models: ECDSA over P-256, in PEM files (PKCS #8, SPKI). Devices hold public keys as uncompressed points, and headers
 * name them by the start of their hash.
 */
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { open, rm } from "node:fs/promises";
import { HedgeError } from "../errors.ts";
import { readCapped, unwritable } from "../files.ts";

/** An uncompressed point of P-256: 0x04, x, y. */
export const POINT_BYTES = 65;
const KEY_ID_BYTES = 8;
const MAX_PEM_BYTES = 16 << 10;
const MAKE_ONE = "Make one with: hedge keys generate signer.pem";

export interface PublicKey {
  readonly key: KeyObject;
  /** The uncompressed point. */
  readonly point: Uint8Array;
  /** 16 hexadecimal digits. */
  readonly id: string;
}

export interface SigningKey extends PublicKey {
  /** The private half. */
  readonly secret: KeyObject;
}

export function generateKey(): SigningKey {
  return signingKey(generateKeyPairSync("ec", { namedCurve: "prime256v1" }).privateKey);
}

/**
 * Reads a private key.
 * @throws HedgeError (input) when the file is none, or not of P-256
 */
export async function readSigningKey(path: string): Promise<SigningKey> {
  const pem = await readPem(path);
  if (!isPrivate(pem)) throw new HedgeError("input", `${path} holds no private key, and signing takes one.`, MAKE_ONE);
  return signingKey(parse(path, () => createPrivateKey(pem)));
}

/**
 * Reads a public key, or the public half of a private one.
 * @throws HedgeError (input) when the file is neither, or not of P-256
 */
export async function readPublicKey(path: string): Promise<PublicKey> {
  const pem = await readPem(path);
  return publicKey(parse(path, () => createPublicKey(pem)));
}

/**
 * Writes a private key that only its owner may read, and beside it its public half.
 * @returns the path of the public half
 * @throws HedgeError: usage when there is a file already and `replace` is not set, input when it cannot be written
 */
export async function writeKey(path: string, { key, secret }: SigningKey, replace: boolean): Promise<string> {
  const publicPath = path.replace(/(\.pem)?$/, ".pub.pem");
  await writePem(path, secret.export({ type: "pkcs8", format: "pem" }) as string, replace ? "w" : "wx", 0o600);
  try {
    // The private half was new, or may be replaced: then so may the public one, which nothing is lost with.
    await writePem(publicPath, key.export({ type: "spki", format: "pem" }) as string, "w", 0o644);
  } catch (error) {
    if (!replace) await rm(path);
    throw error;
  }
  return publicPath;
}

async function writePem(path: string, pem: string, flag: "w" | "wx", mode: number): Promise<void> {
  try {
    const file = await open(path, flag, mode);
    try {
      // A file that was there keeps its mode otherwise.
      await file.chmod(mode);
      await file.writeFile(pem);
    } finally {
      await file.close();
    }
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === "EEXIST")
      throw new HedgeError(
        "usage",
        `${path} is there already, and devices may trust it.`,
        "Name another file, or replace the key with --force.",
        { cause },
      );
    throw unwritable(path, cause);
  }
}

const isPrivate = (pem: string): boolean => /-----BEGIN (EC )?PRIVATE KEY-----/.test(pem);

async function readPem(path: string): Promise<string> {
  return (await readCapped(path, MAX_PEM_BYTES, MAKE_ONE)).toString("latin1");
}

function parse(path: string, read: () => KeyObject): KeyObject {
  let key: KeyObject;
  try {
    key = read();
  } catch (cause) {
    throw new HedgeError("input", `${path} holds no key in PEM form.`, MAKE_ONE, { cause });
  }
  if (key.asymmetricKeyDetails?.namedCurve !== "prime256v1")
    throw new HedgeError("input", `${path} holds a key that is not of ECDSA over P-256.`, MAKE_ONE);
  return key;
}

function signingKey(secret: KeyObject): SigningKey {
  return { ...publicKey(createPublicKey(secret)), secret };
}

function publicKey(key: KeyObject): PublicKey {
  const { x, y } = key.export({ format: "jwk" });
  const point = Buffer.concat([Buffer.of(4), Buffer.from(x!, "base64url"), Buffer.from(y!, "base64url")]);
  return { key, point, id: keyId(point) };
}

/** The key at a point, as a device holds it. @throws HedgeError (input) when the point is not on the curve */
export function publicKeyAt(point: Uint8Array): PublicKey {
  const coordinate = (from: number): string => Buffer.from(point.subarray(from, from + 32)).toString("base64url");
  try {
    const jwk = { kty: "EC", crv: "P-256", x: coordinate(1), y: coordinate(33) };
    return publicKey(createPublicKey({ key: jwk, format: "jwk" }));
  } catch (cause) {
    throw new HedgeError("input", "A public key's point is not on the curve.", "Write the configuration again.", {
      cause,
    });
  }
}

/** How a header names a key. */
export function keyId(point: Uint8Array): string {
  return createHash("sha256")
    .update(point)
    .digest("hex")
    .slice(0, 2 * KEY_ID_BYTES);
}
