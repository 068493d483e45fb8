/** What a running worker says of itself: over HTTP as /status, to `hedge worker status`, and behind the gauges of its metrics. */
import { z } from "zod";
import { HedgeError } from "../errors.ts";

const count = z.int().nonnegative();
/** What is shown to people holds no control characters, which terminals obey. */
const text = z
  .string()
  .max(500)
  .regex(/^\P{Cc}*$/u, "it holds a control character");

export const workerStatusSchema = z.strictObject({
  name: text,
  pid: count,
  /** Milliseconds from the epoch. */
  started: count,
  /** Without user and password. */
  broker: text,
  /** shared: one of several workers of an MQTT 5 broker. single: it takes every sample. */
  mode: z.enum(["shared", "single"]),
  connected: z.boolean(),
  /** It takes samples and can finish them. */
  ready: z.boolean(),
  /** Why it is not ready; empty when it is. */
  reason: text,
  /** Messages by what became of them; each is counted once. */
  counts: z.record(text, count),
  /** Messages taken and not answered. */
  pending: count,
  /** Those in memory. */
  models: z
    .array(
      z.strictObject({
        name: text,
        digest: text,
        bytes: count,
        /** Most samples in one run. */
        maxBatch: count,
        /** Samples that wait for their turn, and milliseconds that the oldest has. */
        waiting: count,
        oldestMs: z.number().nonnegative(),
        /** Why it is run with smaller batches than asked for, or padded ones; empty otherwise. */
        note: text,
      }),
    )
    .readonly(),
  /** Processes that run models, one more than batches at a time; and how many died. */
  processes: z.strictObject({ alive: count, deaths: count }),
  /** Undefined where none is kept. */
  history: z
    .strictObject({
      connected: z.boolean(),
      at: text,
      /** Records, each in one of the four that follow. */
      offered: count,
      written: count,
      dropped: count,
      refused: count,
      waiting: count,
      /** What keeps records from being written. */
      trouble: text,
    })
    .optional(),
  /** Resident bytes of the process that speaks MQTT. */
  rss: count,
});
export type WorkerStatus = z.infer<typeof workerStatusSchema>;

/** Milliseconds in which a worker has to answer, and bytes that its answer may have. */
const PATIENCE = 5_000;
const MAX_STATUS_BYTES = 1 << 20;

/**
 * Asks the worker that listens at `url` (`http://host:port`).
 * @throws HedgeError: usage for an address that is none, network when no worker answers there
 */
export async function fetchStatus(url: string): Promise<WorkerStatus> {
  const address = URL.canParse(url) ? new URL("/status", url) : undefined;
  const remedy = "Give an address such as http://127.0.0.1:9464.";
  if (address?.protocol !== "http:" && address?.protocol !== "https:") {
    // A password may stand in front of the last @.
    const shown = JSON.stringify(url.replace(/^.*@/, ""));
    throw new HedgeError("usage", `${shown} is not the address of a worker.`, remedy);
  }
  if (address.username + address.password !== "") {
    throw new HedgeError("usage", `The worker at ${address.host} asks for no user and no password.`, remedy);
  }
  try {
    const response = await fetch(address, { signal: AbortSignal.timeout(PATIENCE), redirect: "error" });
    if (!response.ok) throw new Error(`it answers ${response.status}`);
    return workerStatusSchema.parse(JSON.parse(await textOf(response)));
  } catch (cause) {
    throw new HedgeError(
      "network",
      `No worker tells its status at ${url}: ${reasonOf(cause as Error)}.`,
      "Start it with --http 127.0.0.1:9464, and give that address.",
      { cause },
    );
  }
}

async function textOf(response: Response): Promise<string> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of response.body ?? []) {
    size += piece.length;
    if (size > MAX_STATUS_BYTES) throw new Error("it says too much");
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString();
}

function reasonOf(error: Error): string {
  if (error.name === "TimeoutError") return `nothing came within ${PATIENCE / 1000} s`;
  if (error instanceof SyntaxError || error instanceof z.ZodError) return "what answers there is no worker";
  // fetch says why in what caused its own error.
  const { code, message } = (error.cause ?? error) as NodeJS.ErrnoException;
  return code ?? message;
}
