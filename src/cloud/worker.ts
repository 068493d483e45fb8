/**
 * The cloud worker: takes offloaded samples from a broker, finishes them on onnxruntime, answers, and only then acknowledges. This puts its
 * parts together, and takes them apart in the order in which nothing is lost.
 */
import { availableParallelism } from "node:os";
import { setTimeout as pause } from "node:timers/promises";
import type { MqttClient, Packet } from "mqtt";
import type { Logger } from "pino";
import type { Bundle } from "../bundle/bundle.ts";
import { type BrokerAccess, shownBroker } from "../wire/broker-access.ts";
import { encodeDeadLetter, encodeResult } from "../wire/frames.ts";
import { checkName, DEAD_TOPIC, resultTopic } from "../wire/topics.ts";
import { type Intake, takeMessages } from "./acknowledge.ts";
import { connectWorker, type WorkerConnection, type WorkerMode } from "./connect.ts";
import type { HttpServer } from "./http.ts";
import { logEvents } from "./log-events.ts";
import { servedModels } from "./models.ts";
import { observeAll } from "./observer.ts";
import { type Outcome, type ServeCounts, Server } from "./serve.ts";
import { SessionPool } from "./session-pool.ts";
import type { WorkerStatus } from "./status.ts";

export interface WorkerOptions extends BrokerAccess {
  /** The models that it has from the start. */
  readonly bundles: readonly Bundle[];
  /** Its name among workers, and its MQTT client id. */
  readonly name: string;
  /** Default auto: one of several workers where the broker can share samples among them. */
  readonly mode?: WorkerMode;
  /** Whom it shares with. Default "workers". */
  readonly group?: string;
  /** Processes that run cloud parts. Default: one fewer than the processor's cores, at least one. */
  readonly processes?: number;
  /** Most samples that it has taken and not acknowledged; the broker holds the rest. Default 64. */
  readonly maxPending?: number;
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
  const started = Date.now();
  let stopping = false;
  let server: Server | undefined;
  let connection: WorkerConnection | undefined;
  let intake: Intake | undefined;

  const status = (): WorkerStatus => {
    const connected = connection?.client.connected ?? false;
    const reason = stopping
      ? "stopping"
      : connection === undefined
        ? "starting"
        : connected
          ? ""
          : "no connection to the broker";
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
      models: [],
      processes: { alive: processes, deaths: pool?.deaths ?? 0 },
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
  const observer = observeAll(observers, (error) => log.error({ err: error }, "observer failed"));
  const models = servedModels(options.bundles);
  const processes = options.processes ?? Math.max(1, availableParallelism() - 1);
  const pool = await SessionPool.open([...models.values()], processes);
  ends.push(() => pool.close());
  server = new Server(name, models, pool);
  connection = await connectWorker({
    ...{ broker, tls, name, mode, group, receiveMaximum: maxPending },
    prepare: (client) => {
      watch(client, log, broker);
      intake = takeMessages(client, maxPending, async (topic, message) => {
        const outcome = await server.serve(topic, message);
        if (outcome.dead !== undefined) observer.dead?.(outcome.dead, Date.now());
        publish(client, outcome);
      });
    },
  });
  ends.push(connection.close);
  log.info({ broker: shownBroker(broker), mode: status().mode, processes, http: http?.url }, "ready");

  return {
    counts: server.counts,
    http: http?.url,
    mode: status().mode,
    status,
    async stop() {
      stopping = true;
      log.info({ pending: intake?.pending }, "stopping");
      const inTime = await within(drain, async () => {
        await connection.leave();
        await drained(connection.client, intake as Intake);
      });
      if (!inTime) log.warn({ pending: intake?.pending }, "stopped with samples in work");
      await endAll(ends);
      log.info({ ...server.counts }, "stopped");
    },
  };
}

async function endAll(ends: (() => Promise<unknown>)[]): Promise<void> {
  for (const end of ends.splice(0).reverse()) await end();
}

/** Whether the work was done within `ms`; what it throws later is nobody's any more. */
async function within(ms: number, work: () => Promise<void>): Promise<boolean> {
  const limit = new AbortController();
  const late = pause(ms, false, { signal: limit.signal, ref: false }).catch(() => false);
  try {
    return await Promise.race([work().then(() => true), late]);
  } finally {
    limit.abort();
  }
}

/**
 * Resolves once every message is answered. An acknowledgement lets the broker send what it held back for this worker, and that is here when
 * the broker answers a ping that was sent after.
 */
async function drained(client: MqttClient, intake: Intake): Promise<void> {
  do {
    await intake.drained();
    await pong(client);
  } while (intake.pending > 0);
}

/** Resolves when the broker has answered, or the connection is gone. */
function pong(client: MqttClient): Promise<void> {
  if (!client.connected) return Promise.resolve();
  return new Promise((resolve) => {
    const settle = (packet?: Packet) => {
      if (packet !== undefined && packet.cmd !== "pingresp") return;
      client.off("packetreceive", settle).off("close", settle);
      resolve();
    };
    client.on("packetreceive", settle).on("close", settle);
    client.sendPing();
  });
}

/**
 * Written to the socket before the acknowledgement is, so that the broker has the answer when it forgets the sample. Without a connection
 * nothing is published: the message was not acknowledged either, and its sender offers it again.
 */
function publish(client: MqttClient, { reply, dead }: Outcome): void {
  if (!client.connected) return;
  if (reply !== undefined) {
    client.publish(resultTopic(reply.device), Buffer.from(encodeResult(reply.result)), { qos: 1 });
  }
  if (dead !== undefined) client.publish(DEAD_TOPIC, Buffer.from(encodeDeadLetter(dead)), { qos: 1 });
}

function watch(client: MqttClient, log: Logger, broker: string): void {
  const where = shownBroker(broker);
  client.on("connect", () => log.info({ broker: where }, "connected"));
  client.on("close", () => log.info({ broker: where }, "connection closed"));
}
