/** `hedge worker status`: what running workers say of themselves. */
import { setTimeout as pause } from "node:timers/promises";
import type { Command } from "commander";
import type { WorkerStatus } from "../cloud/status.ts";
import { HedgeError } from "../errors.ts";
import { globalOptions, printResult } from "./output.ts";
import { untilStopped } from "./signals.ts";

const DEFAULT_URL = "http://127.0.0.1:9464";
/** Milliseconds between looks with --watch. */
const PERIOD = 2_000;

/** A worker's answer, or the error that came instead. */
interface Row {
  readonly url: string;
  readonly status?: WorkerStatus;
  readonly error?: HedgeError;
}

export function register(worker: Command): void {
  worker
    .command("status")
    .summary("ask running workers how they are")
    .description(
      "Asks workers that were started with --http. Exit code 4 when one cannot be reached, 5 when one is not ready.\n" +
        "--watch asks every two seconds until it is stopped.",
    )
    .argument("[urls...]", `their addresses (default: ${DEFAULT_URL})`)
    .option("-w, --watch", "ask again and again")
    .addHelpText(
      "after",
      "\nExample:\n  hedge worker status\n  hedge worker status http://10.0.0.1:9464 http://10.0.0.2:9464 --watch",
    )
    .action(async (urls: string[], { watch }: { watch?: boolean }, command: Command) => {
      const globals = globalOptions(command);
      const places = urls.length > 0 ? urls : [DEFAULT_URL];
      if (watch) return keepAsking(places, globals.json);
      const rows = await ask(places);
      const text = await tableOf(rows);
      printResult(globals, rows.map(jsonOf), () => text);
      const gone = rows.find(({ error }) => error !== undefined)?.error;
      if (gone !== undefined) throw gone;
      const lame = rows.filter(({ status }) => status?.ready === false);
      if (lame.length > 0) {
        const names = lame.map(({ status }) => `${status?.name} (${status?.reason})`).join(", ");
        throw new HedgeError("check", `Not ready: ${names}.`, "See the log of that worker.");
      }
    });
}

async function ask(urls: readonly string[]): Promise<Row[]> {
  const { fetchStatus } = await import("../cloud/status.ts");
  return Promise.all(
    urls.map(async (url) => {
      try {
        return { url, status: await fetchStatus(url) };
      } catch (error) {
        // Of an address that is none nobody else's answer is waited for.
        if (!(error instanceof HedgeError) || error.kind === "usage") throw error;
        return { url, error };
      }
    }),
  );
}

async function keepAsking(urls: readonly string[], json: boolean): Promise<void> {
  const { createLogUpdate } = await import("log-update");
  const live = process.stdout.isTTY === true && !json ? createLogUpdate(process.stdout) : undefined;
  const stop = new AbortController();
  const stopped = untilStopped().then(() => stop.abort());
  while (!stop.signal.aborted) {
    const rows = await ask(urls);
    const text = json ? JSON.stringify(rows.map(jsonOf)) : await tableOf(rows);
    if (live) live(text);
    else process.stdout.write(`${text}\n`);
    await pause(PERIOD, undefined, { signal: stop.signal }).catch(() => undefined);
  }
  live?.done();
  await stopped;
}

const jsonOf = ({ url, status, error }: Row): object => ({ url, ...(error ? { error: error.message } : { status }) });

/** A line for each worker, and below one for each model in memory. */
async function tableOf(rows: readonly Row[]): Promise<string> {
  const { default: Table } = await import("cli-table3");
  const workers = new Table({
    head: ["worker", "state", "mode", "up", "answered", "other", "pending", "processes", "history", "memory"],
    style: { head: [], border: [] },
  });
  const models = new Table({
    head: ["worker", "model", "digest", "size", "batch", "waiting", "oldest", ""],
    style: { head: [], border: [] },
  });
  for (const { url, status, error } of rows) {
    if (status === undefined) {
      workers.push([url, { colSpan: 9, content: error?.message ?? "" }]);
      continue;
    }
    const { name, reason, mode, started, counts, pending, processes, history, rss } = status;
    const { answered = 0, ...rest } = counts;
    const other = Object.entries(rest).filter(([, count]) => count > 0);
    workers.push([
      name,
      reason || "ready",
      mode,
      timeOf(Date.now() - started),
      answered,
      other.map(([what, count]) => `${count} ${what}`).join(", "),
      pending,
      processes.deaths > 0 ? `${processes.alive} (${processes.deaths} died)` : processes.alive,
      history === undefined ? "none" : historyOf(history),
      sizeOf(rss),
    ]);
    for (const { name: model, digest, bytes, maxBatch, waiting, oldestMs, note } of status.models) {
      const oldest = waiting > 0 ? `${Math.round(oldestMs)} ms` : "";
      models.push([name, model, digest.slice(0, 12), sizeOf(bytes), maxBatch, waiting, oldest, note]);
    }
  }
  return models.length > 0 ? `${workers.toString()}\n${models.toString()}` : workers.toString();
}

function historyOf(history: NonNullable<WorkerStatus["history"]>): string {
  const counts = (["written", "waiting", "dropped", "refused"] as const).filter((count) => history[count] > 0);
  const parts = [history.connected ? "" : "away", ...counts.map((count) => `${history[count]} ${count}`)];
  return parts.filter((part) => part !== "").join(", ");
}

const sizeOf = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

function timeOf(ms: number): string {
  const minutes = Math.floor(ms / 60_000);
  return minutes < 1
    ? `${Math.floor(ms / 1000)} s`
    : minutes < 120
      ? `${minutes} min`
      : `${Math.floor(minutes / 60)} h`;
}
