/** A bundle store over HTTP: BASE/index.json lists, BASE/DIGEST/PART gives. Sizes and times are bounded, hashes checked. */
import { z } from "zod";
import type { Bundle } from "../bundle/bundle.ts";
import { type BundleSource, readBundleFrom } from "../bundle/read.ts";
import { HedgeError } from "../errors.ts";
import { type BundleEntry, type BundleStore, bundleEntry, checkDigest, DIGEST } from "./bundle-store.ts";

export const INDEX_FILE = "index.json";

/** Milliseconds for an answer to begin, and between two pieces of it. */
const SILENCE = 10_000;
/** Milliseconds for a whole file. */
const FILE_TIME = 300_000;
const INDEX_BYTES = 4 << 20;
const REMEDY = "Check the address and that the store is up; `hedge bundles serve` serves a folder.";

/** The store has no such file. */
class Absent extends HedgeError {}

/**
 * Throws a HedgeError (usage) for an address that is none of http or https, or has a query, a user or a password: the address is shown in logs
 * and dead letters.
 */
export function openHttpStore(where: string): BundleStore {
  const text = where.endsWith("/") ? where : `${where}/`;
  const base = URL.canParse(text) ? new URL(text) : undefined;
  if (base === undefined || !["http:", "https:"].includes(base.protocol) || hasMore(base)) {
    throw new HedgeError(
      "usage",
      "The address of the bundle store is none, or holds more than host, port and path.",
      "Give http://host:port/path, without user, password and query.",
    );
  }
  return {
    where,
    async list(): Promise<BundleEntry[]> {
      const bytes = await fetchCapped(new URL(INDEX_FILE, base), INDEX_BYTES);
      try {
        return z.array(bundleEntry).parse(JSON.parse(new TextDecoder().decode(bytes)));
      } catch (cause) {
        throw new HedgeError("input", `${where} gives no list of bundles.`, REMEDY, { cause });
      }
    },
    async read(digest: string): Promise<Bundle | undefined> {
      if (!DIGEST.test(digest)) return undefined;
      const source: BundleSource = {
        where: (file) => new URL(`${digest}/${file}`, base).href,
        read: (file, limit, expected = limit) => {
          return fetchCapped(new URL(`${digest}/${file}`, base), Math.min(limit, expected + 1));
        },
      };
      try {
        return checkDigest(await readBundleFrom(source), digest, source.where(""));
      } catch (error) {
        if (error instanceof Absent) return undefined;
        throw error;
      }
    },
  };
}

const hasMore = ({ username, password, search, hash }: URL): boolean => username + password + search + hash !== "";

/** At most `limit` bytes. Throws HedgeErrors: network, input for more bytes. */
async function fetchCapped(url: URL, limit: number): Promise<Uint8Array> {
  const aborter = new AbortController();
  const whole = setTimeout(() => aborter.abort(new Error("it takes too long")), FILE_TIME);
  const silence = setTimeout(() => aborter.abort(new Error("it is silent")), SILENCE);
  try {
    // A store that moved is told so by hand: following it would let it point anywhere.
    const response = await fetch(url, { redirect: "error", signal: aborter.signal });
    if (response.status === 404) throw new Absent("input", `${url} does not exist.`, REMEDY);
    if (response.status !== 200 || response.body === null) throw new Error(`status ${response.status}`);
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    for await (const chunk of response.body) {
      silence.refresh();
      bytes += chunk.length;
      if (bytes > limit) {
        throw new HedgeError("input", `${url} has more bytes than the ${limit} that are accepted.`, REMEDY);
      }
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  } catch (cause) {
    if (cause instanceof HedgeError) throw cause;
    const { message, cause: deeper } = cause as Error;
    const reason = deeper instanceof Error ? deeper.message : message;
    throw new HedgeError("network", `The bundle store does not give ${url}: ${reason}.`, REMEDY, { cause });
  } finally {
    clearTimeout(whole);
    clearTimeout(silence);
    aborter.abort();
  }
}
