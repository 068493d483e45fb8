/**
 * The cloud worker: takes offloaded samples from a broker, finishes them on onnxruntime, answers, and only then acknowledges. This puts its
 * parts together, and takes them apart in the order in which nothing is lost.
 */
import { availableParallelism } from "node:os";
import type { MqttClient } from "mqtt";
import type { Logger } from "pino";
import type { Bundle } from "../bundle/bundle.ts";
import type { History, HistoryOptions } from "../history/history.ts";
import { type BrokerAccess, shownBroker } from "../wire/broker-access.ts";
import { untilDeadline } from "../wire/expiry.ts";
import { encodeDeadLetter, encodeResult } from "../wire/frames.ts";
import { logConnection } from "../wire/log-connection.ts";
import { checkName, DEAD_TOPIC, resultTopic } from "../wire/topics.ts";
import { type Intake, takeMessages } from "./acknowledge.ts";
import type { BundleStore } from "./bundle-store.ts";
import type { WorkerConnection, WorkerMode } from "./connect.ts";
import { drained, within } from "./drain.ts";
import type { HttpServer } from "./http.ts";
import { logEvents } from "./log-events.ts";
import { type ModelLimits, Models } from "./models.ts";
import { observeAll } from "./observer.ts";
import type { Quota } from "./quota.ts";
import { type Outcome, type ServeCounts, Server } from "./serve.ts";
import type { WorkerStatus } from "./status.ts";

export interface WorkerOptions extends BrokerAccess {
  /** The models that it has from the start, and keeps. */
  readonly bundles?: readonly Bundle[];
  /** Where it finds others when a sample asks for them. */
  readonly store?: BundleStore | undefined;
  /** Of models in memory. */
  readonly limits?: ModelLimits;
  /** Its name among workers, and its MQTT client id. */
  readonly name: string;
  /** Default auto: one of several workers where the broker can share samples among them. */
  readonly mode?: WorkerMode;
  /** Whom it shares with. Default "workers". */
  readonly group?: string;
  /** Most samples in one run. Default 32. */
  readonly maxBatch?: number;
  /** Milliseconds that a sample may be held back for others to fill its batch. Default 0. */
  readonly maxDelay?: number;
  /** Of each device. Default: none. */
  readonly quota?: Quota;
  /** Batches that are run at a time, each in a process. Default: one fewer than the processor's cores, at least one. */
  readonly processes?: number;
  /** Most samples that it has taken and not acknowledged; the broker holds the rest. Default 64. */
  readonly maxPending?: number;
  /** Where what happened is kept. Default: nowhere. */
  readonly history?: Pick<HistoryOptions, "url" | "retention"> | undefined;
  /** `HOST:PORT` of its metrics, probes and status. Default: none. */
  readonly http?: string;
  /** Milliseconds that samples in work may take once it is told to stop. Default 10,000. */
  readonly drain?: number;
  readonly log: Logger;
}

export interface CloudWorker {
  readonly counts: Readonly<ServeCounts>;
  /** Where its metrics are: `http://host:port`. */
  readonly http: string | undefined;
  readonly mode: "shared" | "single";
  status(): WorkerStatus;
  /** Takes no further samples, answers those it has, says goodbye. */
  stop(): Promise<void>;
}

const DRAIN = 10_000;

/** Resolves when the worker is subscribed. Throws HedgeErrors: usage, input (a bundle's cloud part does not load), network. */
export async function startWorker(options: WorkerOptions): Promise<CloudWorker> {
  checkName("worker", options.name);
  /** What ends the parts that stand, to be called in reverse. */
  const ends: (() => Promise<unknown>)[] = [];
  try {
    return await assemble(options, ends);
  } catch (error) {
    await endAll(ends);
    throw error;
  }
}

async function assemble(options: WorkerOptions, ends: (() => Promise<unknown>)[]): Promise<CloudWorker> {
  const { broker, tls, name, mode, group, maxPending = 64, drain = DRAIN, log } = options;
  const { bundles, store, limits, maxBatch, maxDelay, quota } = options;
  const processes = options.processes ?? Math.max(1, availableParallelism() - 1);
  const started = Date.now();
  let stopping = false;
  let server: Server | undefined;
  let connection: WorkerConnection | undefined;
  let intake: Intake | undefined;
  let history: History | undefined;

  const status = (): WorkerStatus => {
    const connected = connection?.client.connected ?? false;
    const models = server?.status() ?? { models: [], processes: { alive: 0, deaths: 0 } };
    const reasons: [boolean, string][] = [
      [stopping, "stopping"],
      [connection === undefined, "starting"],
      [!connected, "no connection to the broker"],
      [models.processes.alive === 0, "no process runs models"],
    ];
    const reason = reasons.find(([holds]) => holds)?.[1] ?? "";
    return {
      name,
      pid: process.pid,
      started,
      broker: shownBroker(broker),
      mode: connection?.shared ? "shared" : "single",
      connected,
      ready: reason === "",
      reason,
      counts: { ...server?.counts },
      pending: intake?.pending ?? 0,
      ...models,
      history: history?.status(),
      rss: process.memoryUsage.rss(),
    };
  };

  const observers = [logEvents(log)];
  let http: HttpServer | undefined;
  if (options.http !== undefined) {
    // A worker that nobody asks starts sooner without them.
    const [{ Metrics }, { serveHttp }] = await Promise.all([import("./metrics.ts"), import("./http.ts")]);
    const metrics = new Metrics(status);
    observers.push(metrics.observer);
    http = await serveHttp(options.http, status, metrics);
    ends.push(http.close);
  }
  if (options.history !== undefined) {
    const { openHistory } = await import("../history/history.ts");
    const opened = openHistory({ ...options.history, log });
    history = opened;
    observers.push(opened.observer);
    ends.push(() => opened.close());
  }
  const observer = observeAll(observers, (error) => log.error({ err: error }, "observer failed"));
  // Read while the processes start.
  const connecting = import("./connect.ts");
  const models = await Models.open({ bundles, store, limits, maxBatch, maxDelay, processes, observer });
  ends.push(() => models.close());
  server = new Server({ name, models, quota, observer });
  const { connectWorker } = await connecting;
  connection = await connectWorker({
    ...{ broker, tls, name, mode, group, receiveMaximum: maxPending },
    prepare: (client) => {
      logConnection(client, log, broker);
      intake = takeMessages(client, maxPending, async (topic, message) => {
        publish(client, await server.serve(topic, message));
      });
    },
  });
  const { client, leave, close } = connection;
  ends.push(close);
  log.info({ broker: shownBroker(broker), mode: status().mode, processes, http: http?.url }, "ready");

  return {
    counts: server.counts,
    http: http?.url,
    mode: status().mode,
    status,
    async stop() {
      stopping = true;
      log.info({ pending: intake?.pending }, "stopping");
      const inTime = await within(
        drain,
        leave().then(() => drained(client, intake as Intake)),
      );
      if (!inTime) log.warn({ pending: intake?.pending }, "stopped with samples in work");
      await endAll(ends);
      log.info({ ...server.counts }, "stopped");
    },
  };
}

async function endAll(ends: (() => Promise<unknown>)[]): Promise<void> {
  for (const end of ends.splice(0).reverse()) await end();
}

/**
 * Written to the socket before the acknowledgement is, so that the broker has the answer when it forgets the sample. Without a connection
 * nothing is published: the message was not acknowledged either, and its sender offers it again.
 */
function publish(client: MqttClient, { reply, dead }: Outcome): void {
  if (!client.connected) return;
  if (reply !== undefined) {
    const { device, result, deadline } = reply;
    client.publish(resultTopic(device), Buffer.from(encodeResult(result)), untilDeadline(client, deadline));
  }
  if (dead !== undefined) client.publish(DEAD_TOPIC, Buffer.from(encodeDeadLetter(dead)), { qos: 1 });
}
