/**
 * Where workers find bundles by digest: a folder that holds each as STORE/DIGEST/, or the same over HTTP with a list as index.json.
 */
import { z } from "zod";
import type { Bundle } from "../bundle/bundle.ts";
import type { Manifest } from "../bundle/manifest.ts";
import { HedgeError } from "../errors.ts";

/** 64 hexadecimal digits: no path leads anywhere else. */
export const DIGEST = /^[0-9a-f]{64}$/;

/** Whether a store is named by an address, and not by a path. */
export const isAddress = (where: string): boolean => /^[a-z][a-z0-9+.-]*:\/\//i.test(where);

/** What a store says of a bundle without its parts. */
export const bundleEntry = z.strictObject({
  digest: z.string().regex(DIGEST),
  name: z
    .string()
    .max(100)
    .regex(/^\P{Cc}*$/u),
  /** Of all its parts. */
  bytes: z.int().nonnegative(),
});
export type BundleEntry = z.infer<typeof bundleEntry>;

export interface BundleStore {
  /** The folder or the address. */
  readonly where: string;
  /** Throws a HedgeError when the store cannot be read. */
  list(): Promise<BundleEntry[]>;
  /** Undefined when the store has none of this digest. Throws a HedgeError when it cannot be read, or the bundle is damaged. */
  read(digest: string): Promise<Bundle | undefined>;
}

export function entryOf({ digest, name, parts }: Manifest): BundleEntry {
  return { digest, name, bytes: Object.values(parts).reduce((sum, part) => sum + (part?.bytes ?? 0), 0) };
}

/** The bundle, if it is the one that was asked for; the reader has checked that it is what its own digest says. */
export function checkDigest(bundle: Bundle, digest: string, where: string): Bundle {
  if (bundle.digest === digest) return bundle;
  throw new HedgeError(
    "input",
    `${where} holds the bundle ${bundle.digest.slice(0, 12)} under another digest.`,
    "Put bundles into a store with `hedge bundles add`.",
  );
}
