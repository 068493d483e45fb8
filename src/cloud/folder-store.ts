/** A bundle store that is a folder: each bundle lies in STORE/DIGEST/. */
import { mkdir, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Bundle } from "../bundle/bundle.ts";
import { MANIFEST_FILE } from "../bundle/manifest.ts";
import { readBundle, readBundleManifest } from "../bundle/read.ts";
import { writeBundle } from "../bundle/write.ts";
import { HedgeError } from "../errors.ts";
import { unwritable } from "../files.ts";
import { type BundleEntry, type BundleStore, checkDigest, DIGEST, entryOf, isAddress } from "./bundle-store.ts";

/** Digits of a digest by which people may name a bundle. */
const LEAST_DIGITS = 8;

export class FolderStore implements BundleStore {
  /** Throws a HedgeError (usage) for an address: what lies there is read only. */
  constructor(readonly where: string) {
    if (isAddress(where)) {
      throw new HedgeError("usage", "A bundle store is changed and served where its folder is.", "Name its folder.");
    }
  }

  /** By name. Damaged bundles are left out: reading them says what is wrong. */
  async list(): Promise<BundleEntry[]> {
    let names: string[];
    try {
      names = await readdir(this.where);
    } catch (cause) {
      throw new HedgeError(
        "input",
        `The bundle store ${this.where} cannot be read (${(cause as NodeJS.ErrnoException).code}).`,
        "Name a folder of bundles; `hedge bundles add` makes one.",
        { cause },
      );
    }
    const entries: BundleEntry[] = [];
    for (const digest of names.filter((name) => DIGEST.test(name))) {
      const manifest = await readBundleManifest(this.#folder(digest)).catch(() => undefined);
      if (manifest?.digest === digest) entries.push(entryOf(manifest));
    }
    return entries.sort((a, b) => a.name.localeCompare(b.name) || a.digest.localeCompare(b.digest));
  }

  async read(digest: string): Promise<Bundle | undefined> {
    if (!(await this.#has(digest))) return undefined;
    return checkDigest(await readBundle(this.#folder(digest)), digest, this.#folder(digest));
  }

  /** Puts a bundle in, whole or not at all; a damaged one of this digest is replaced. Throws a HedgeError (input) when it cannot. */
  async add(bundle: Bundle): Promise<BundleEntry> {
    await mkdir(this.where, { recursive: true }).catch((cause) => {
      throw unwritable(this.where, cause);
    });
    // One that is there is left alone: somebody may be reading it.
    const present = await this.read(bundle.digest).catch(() => undefined);
    if (present === undefined) await writeBundle(this.#folder(bundle.digest), bundle);
    return entryOf(bundle.manifest);
  }

  /** The digest, in the store, that begins with these digits. Throws a HedgeError (usage) when none does, or several do. */
  async find(digits: string): Promise<string> {
    // Damaged bundles are found too: to be removed.
    const names = await readdir(this.where).catch(() => []);
    const found = names.filter((name) => DIGEST.test(name) && name.startsWith(digits));
    const [digest] = found;
    const enough = digits.length >= LEAST_DIGITS;
    if (enough && digest !== undefined && found.length === 1) return digest;
    throw new HedgeError(
      "usage",
      digest === undefined
        ? `No bundle in ${this.where} begins with ${JSON.stringify(digits)}.`
        : enough
          ? `${found.length} bundles in ${this.where} begin with ${digits}.`
          : `${JSON.stringify(digits)} is too short to name a bundle.`,
      `Give the first ${LEAST_DIGITS} digits of one or more; \`hedge bundles list\` shows them.`,
    );
  }

  /** Takes a bundle out; false when there is none of this digest. */
  async remove(digest: string): Promise<boolean> {
    if (!(await this.#has(digest))) return false;
    try {
      // First what makes it a bundle: a reader finds a whole one or none.
      await rm(join(this.#folder(digest), MANIFEST_FILE), { force: true });
      await rm(this.#folder(digest), { recursive: true });
    } catch (cause) {
      throw unwritable(this.#folder(digest), cause);
    }
    return true;
  }

  #folder(digest: string): string {
    return join(this.where, digest);
  }

  async #has(digest: string): Promise<boolean> {
    if (!DIGEST.test(digest)) return false;
    return stat(this.#folder(digest)).then(
      (facts) => facts.isDirectory(),
      () => false,
    );
  }
}
