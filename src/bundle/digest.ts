/**
 * Digests of bundles and their parts.
 */
import { createHash } from "node:crypto";
import type { Manifest } from "./manifest.ts";

/** SHA-256 as 64 lower-case hexadecimal digits. */
export function sha256Hex(bytes: Uint8Array | string): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** JSON with sorted keys and no white space: equal values give equal text. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) => {
    if (inner === null || typeof inner !== "object" || Array.isArray(inner)) return inner;
    return Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
  });
}

/**
 * The identity of a compiled model, which messages between devices and workers carry: SHA-256 over the manifest's
 * canonical JSON without the digest itself. The manifest holds the hashes of the parts, so the digest covers them too.
 */
export function modelDigest(manifest: Omit<Manifest, "digest"> & { digest?: string }): string {
  const { digest: _, ...sealed } = manifest;
  return sha256Hex(canonicalJson(sealed));
}
