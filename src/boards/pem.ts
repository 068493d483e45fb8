/** Certificates and keys for TLS as people have them, in PEM files, and as devices take them, in DER. */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { HedgeError } from "../errors.ts";
import { readCapped } from "../files.ts";

const MAX_PEM_BYTES = 64 << 10;

/** @throws HedgeError (input) when the file holds no certificate */
export async function readCertificate(path: string): Promise<Uint8Array<ArrayBuffer>> {
  const pem = await readCapped(path, MAX_PEM_BYTES, "Give a certificate in PEM form.");
  return Uint8Array.from(der(path, "certificate", () => new X509Certificate(pem).raw));
}

/** @throws HedgeError (input) when the file holds no private key, or an encrypted one */
export async function readPrivateKey(path: string): Promise<Uint8Array<ArrayBuffer>> {
  const pem = await readCapped(path, MAX_PEM_BYTES, "Give a private key in PEM form.");
  return Uint8Array.from(
    der(path, "private key without a passphrase", () => createPrivateKey(pem).export({ type: "pkcs8", format: "der" })),
  );
}

function der(path: string, what: string, read: () => Buffer): Buffer {
  try {
    return read();
  } catch (cause) {
    throw new HedgeError("input", `${path} holds no ${what}.`, "Give one in PEM form.", { cause });
  }
}
