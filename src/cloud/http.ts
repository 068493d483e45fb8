/**
 * What operators and their probes ask a worker over HTTP. It answers GET, takes no bodies, and has neither passwords nor TLS: it listens on
 * the loopback unless told otherwise, and says nothing that is secret.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { HedgeError } from "../errors.ts";
import type { Metrics } from "./metrics.ts";
import type { WorkerStatus } from "./status.ts";

export interface HttpServer {
  /** `http://host:port`. */
  readonly url: string;
  close(): Promise<void>;
}

/** Limits of what is taken from a connection: bytes of headers, connections, milliseconds for a request. */
const MAX_HEADER_BYTES = 4096;
const MAX_CONNECTIONS = 32;
const REQUEST_TIMEOUT = 5_000;

interface Answer {
  readonly code: number;
  readonly type: string;
  readonly body: string;
}

type Pages = Readonly<Record<string, () => Answer | Promise<Answer>>>;

const TEXT = "text/plain; charset=utf-8";
const plain = (code: number, body: string): Answer => ({ code, type: TEXT, body: `${body}\n` });

/** Listens at `HOST:PORT`; throws a HedgeError (network) when that cannot be listened on. */
export async function serveHttp(place: string, status: () => WorkerStatus, metrics: Metrics): Promise<HttpServer> {
  const pages: Pages = {
    // That it is answered at all is what it says: the event loop turns.
    "/health": () => plain(200, "ok"),
    "/ready": () => {
      const { ready, reason } = status();
      return ready ? plain(200, "ready") : plain(503, reason);
    },
    "/status": () => ({ code: 200, type: "application/json", body: `${JSON.stringify(status())}\n` }),
    "/metrics": async () => ({ code: 200, type: metrics.contentType, body: await metrics.text() }),
  };
  const server = createServer(
    {
      maxHeaderSize: MAX_HEADER_BYTES,
      requestTimeout: REQUEST_TIMEOUT,
      headersTimeout: REQUEST_TIMEOUT,
      connectionsCheckingInterval: REQUEST_TIMEOUT,
    },
    (request, response) => void answer(pages, request, response),
  );
  server.maxConnections = MAX_CONNECTIONS;
  const { hostname, port } = new URL(`http://${place}`);
  // Brackets are for URLs.
  await listen(server, hostname.replace(/^\[|\]$/g, ""), Number(port || 80));
  const { port: bound } = server.address() as AddressInfo;
  return {
    url: `http://${hostname}:${bound}`,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}

async function answer(pages: Pages, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { code, type, body } = await pageFor(pages, request).catch((error: Error) => plain(500, error.message));
  if (code === 405) response.setHeader("allow", "GET, HEAD");
  response.writeHead(code, {
    // Who asks does so every few seconds, and a body that was sent is read by nobody.
    connection: "close",
    "content-type": type,
    "content-length": Buffer.byteLength(body),
    "cache-control": "no-store",
  });
  response.end(body);
}

async function pageFor(pages: Pages, { method, url = "" }: IncomingMessage): Promise<Answer> {
  if (method !== "GET" && method !== "HEAD") return plain(405, "GET only");
  const path = url.split("?", 1)[0] as string;
  return Object.hasOwn(pages, path) ? await pages[path]!() : plain(404, `there are ${Object.keys(pages).join(", ")}`);
}

async function listen(server: Server, host: string, port: number): Promise<void> {
  try {
    await new Promise<void>((resolve, reject) => server.once("error", reject).listen(port, host, resolve));
  } catch (cause) {
    throw new HedgeError(
      "network",
      `The worker cannot listen on ${host}:${port} (${(cause as NodeJS.ErrnoException).code}).`,
      "Choose another address with --http, or stop what listens there.",
      { cause },
    );
  }
}
