/**
 * A folder of bundles over HTTP, for workers on other machines or in containers: GET only, and nothing but the parts of bundles and their list.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { MANIFEST_FILE, PART_FILES } from "../bundle/manifest.ts";
import { HedgeError } from "../errors.ts";
import { openFile } from "../files.ts";
import { FolderStore } from "./folder-store.ts";
import { INDEX_FILE } from "./http-store.ts";

export interface BundleServerOptions {
  /** The store's folder. */
  readonly folder: string;
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Default 0: any free port. */
  readonly port?: number;
}

export interface BundleServer {
  /** `http://host:port/`. */
  readonly url: string;
  /** Ends all transfers and stops listening. */
  close(): Promise<void>;
}

const PARTS: readonly string[] = [MANIFEST_FILE, ...PART_FILES];
const PATH = /^\/([0-9a-f]{64})\/([a-z.]+)$/;
/** Clients at a time, and milliseconds that one may keep silent. */
const CLIENTS = 256;
const SILENCE = 30_000;

/** Throws HedgeErrors: input when there is no such folder, network when the address cannot be listened on. */
export async function serveBundles({
  folder,
  host = "127.0.0.1",
  port = 0,
}: BundleServerOptions): Promise<BundleServer> {
  const store = new FolderStore(folder);
  await store.list();
  const server = createServer((request, response) => {
    answer(store, request, response).catch(() => response.destroy());
  });
  server.maxConnections = CLIENTS;
  server.setTimeout(SILENCE);
  try {
    await new Promise<void>((resolve, reject) => server.once("error", reject).listen(port, host, resolve));
  } catch (cause) {
    throw new HedgeError(
      "network",
      `The bundle store cannot be served on ${host}:${port} (${(cause as NodeJS.ErrnoException).code}).`,
      "Choose another port with --port, or stop what listens there.",
      { cause },
    );
  }
  const { port: bound } = server.address() as AddressInfo;
  return {
    url: `http://${host.includes(":") ? `[${host}]` : host}:${bound}/`,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}

async function answer(
  store: FolderStore,
  { method, url = "" }: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (method !== "GET") return void response.writeHead(405, { allow: "GET" }).end();
  if (url === `/${INDEX_FILE}`) {
    const list = JSON.stringify(await store.list());
    return void response.writeHead(200, { "content-type": "application/json" }).end(list);
  }
  const [, digest, part] = PATH.exec(url) ?? [];
  if (digest === undefined || part === undefined || !PARTS.includes(part)) return void response.writeHead(404).end();
  const file = await openFile(join(store.where, digest, part), "").catch(() => undefined);
  if (file === undefined) return void response.writeHead(404).end();
  // Without an end of its own, a file that grows meanwhile would break the length that was said.
  const end = Math.max(file.bytes - 1, 0);
  response.writeHead(200, { "content-type": "application/octet-stream", "content-length": file.bytes });
  if (file.bytes === 0) return void file.handle.close().then(() => response.end());
  await pipeline(file.handle.createReadStream({ end }), response);
}
