/**
 * The cloud worker: takes offloaded samples from a broker, finishes them on onnxruntime, answers, and only then acknowledges.
 */
import { availableParallelism } from "node:os";
import type { MqttClient } from "mqtt";
import type { Logger } from "pino";
import type { Bundle } from "../bundle/bundle.ts";
import { HedgeError } from "../errors.ts";
import { closeConnection, openConnection } from "../wire/connection.ts";
import { encodeDeadLetter, encodeResult } from "../wire/frames.ts";
import { checkName, DEAD_TOPIC, OFFLOAD_FILTER, resultTopic, SHARED_OFFLOAD_FILTER } from "../wire/topics.ts";
import { type Intake, takeMessages } from "./acknowledge.ts";
import { servedModels } from "./models.ts";
import { type Outcome, type ServeCounts, Server } from "./serve.ts";
import { SessionPool } from "./session-pool.ts";

export interface WorkerOptions {
  /** `mqtt://host:port`. */
  readonly broker: string;
  /** The models it can finish. */
  readonly bundles: readonly Bundle[];
  /** Its name among workers, and its MQTT client id. */
  readonly name: string;
  /** One of several workers that share the samples (MQTT 5). Default false. */
  readonly shared?: boolean;
  /** Threads that run cloud parts. Default: one fewer than the processor's, at least one. */
  readonly threads?: number;
  /** Most samples that it has taken and not acknowledged; the broker holds the rest. Default 64. */
  readonly maxPending?: number;
  readonly log: Logger;
}

export interface CloudWorker {
  readonly counts: Readonly<ServeCounts>;
  /** Takes no further samples, answers those it has, says goodbye. */
  stop(): Promise<void>;
}

/** Milliseconds that samples in work may take once the worker is told to stop. */
const DRAIN_TIMEOUT = 10_000;

/** Resolves when the worker is subscribed. Throws HedgeErrors: usage, input (a bundle's cloud part does not load), network. */
export async function startWorker(options: WorkerOptions): Promise<CloudWorker> {
  const { broker, bundles, name, shared = false, maxPending = 64, log } = options;
  checkName("worker", name);
  const models = servedModels(bundles);
  const threads = options.threads ?? Math.max(1, availableParallelism() - 1);
  const pool = await SessionPool.open([...models.values()], threads);
  const server = new Server(name, models, pool);
  let intake: Intake | undefined;
  let client: MqttClient;
  try {
    client = await openConnection({
      broker,
      name,
      version: shared ? 5 : 4,
      receiveMaximum: maxPending,
      prepare: (connecting) => {
        watch(connecting, log, broker);
        intake = takeMessages(connecting, maxPending, async (topic, message) => {
          publish(connecting, await server.serve(topic, message), log);
        });
      },
    });
  } catch (error) {
    await pool.close();
    throw error;
  }
  const filter = shared ? SHARED_OFFLOAD_FILTER : OFFLOAD_FILTER;
  try {
    await subscribe(client, filter, broker);
  } catch (error) {
    await closeConnection(client, name);
    await pool.close();
    throw error;
  }
  log.info({ broker, filter, threads, models: [...models.values()].map((model) => model.name) }, "ready");

  return {
    counts: server.counts,
    async stop() {
      if (client.connected) await client.unsubscribeAsync(filter).catch(() => undefined);
      const drained = await Promise.race([intake?.drained().then(() => true), after(DRAIN_TIMEOUT)]);
      if (drained === undefined) log.warn({ pending: intake?.pending }, "stopped with samples in work");
      await closeConnection(client, name);
      await pool.close();
      log.info({ ...server.counts }, "stopped");
    },
  };
}

async function subscribe(client: MqttClient, filter: string, broker: string): Promise<void> {
  // A refused subscription rejects too.
  await client.subscribeAsync(filter, { qos: 1 }).catch((cause) => {
    throw new HedgeError(
      "network",
      `The broker at ${broker} refuses the subscription to ${filter}: ${(cause as Error).message}.`,
      "Allow it to the worker; for --shared, use a broker that speaks MQTT 5, such as mosquitto.",
      { cause },
    );
  });
}

/**
 * Written to the socket before the acknowledgement is, so that the broker has the answer when it forgets the sample. Without a connection
 * nothing is published: the message was not acknowledged either, and its sender offers it again.
 */
function publish(client: MqttClient, { reply, dead }: Outcome, log: Logger): void {
  if (dead !== undefined) log.warn({ device: dead.device, reason: dead.reason, size: dead.size }, dead.sentence);
  if (!client.connected) return;
  if (reply !== undefined) {
    client.publish(resultTopic(reply.device), Buffer.from(encodeResult(reply.result)), { qos: 1 });
    log.debug({ device: reply.device, ...reply.result }, "result");
  }
  if (dead !== undefined) client.publish(DEAD_TOPIC, Buffer.from(encodeDeadLetter(dead)), { qos: 1 });
}

function watch(client: MqttClient, log: Logger, broker: string): void {
  client.on("connect", () => log.info({ broker }, "connected"));
  client.on("close", () => log.info({ broker }, "connection closed"));
}

function after(ms: number): Promise<undefined> {
  return new Promise((resolve) => setTimeout(resolve, ms, undefined).unref());
}
