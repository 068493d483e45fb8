/** A worker's connection: shared subscriptions where the broker has them, one worker where it has not. */
import type { MqttClient } from "mqtt";
import { HedgeError } from "../errors.ts";
import { type BrokerAccess, shownBroker } from "../wire/broker-access.ts";
import { closeConnection, type MqttVersion, openConnection, versionOf } from "../wire/connection.ts";
import { checkGroup, DEFAULT_GROUP, OFFLOAD_FILTER, sharedOffloadFilter } from "../wire/topics.ts";

/** shared: one of several workers; single: the only one; auto: shared where the broker can. */
export const WORKER_MODES = ["auto", "shared", "single"] as const;
export type WorkerMode = (typeof WORKER_MODES)[number];

export interface SessionPolicy {
  /** What it takes of a broker. */
  readonly needs: string;
  /** Why the session is as it is. */
  readonly why: string;
  /** What brokers lose with it when a worker is killed or away, as far as it was measured. */
  readonly loses: Readonly<Record<string, string>>;
}

/**
 * Sessions are clean and end with the connection on every broker: none keeps the work of a worker that is gone in a way that another one gets in time, so
 * devices offer again what has no answer, and a session that lived on would only bring work twice.
 */
export const SESSION_POLICIES: Readonly<Record<"shared" | "single", SessionPolicy>> = {
  shared: {
    needs: "MQTT 5 with shared subscriptions",
    why: "each sample goes to one of the workers, and at most Receive Maximum of them to each",
    loses: {
      "mosquitto 2.0.11":
        "what a killed worker had taken (10 of 20 messages). A session that outlives it (300 s) loses none once that worker is back, but until then half of " +
        "the new samples wait for it. With no worker at all 2,000 of 3,000 acknowledged samples were dropped.",
      "EMQX, HiveMQ":
        "not measured. EMQX documents that it sends what a member had taken to another one when its session ends.",
    },
  },
  single: {
    needs: "MQTT 3.1.1",
    why: "aedes 1.2 refuses MQTT 5; without shared subscriptions each worker would get each sample",
    loses: { "aedes 1.2": "what comes while the worker is away, and what it had taken" },
  },
};

export interface WorkerConnectionOptions extends BrokerAccess {
  readonly name: string;
  /** Default auto. */
  readonly mode?: WorkerMode;
  /** Whom it shares with: workers of one name share. Default "workers"; a secret one keeps strangers out where the broker cannot. */
  readonly group?: string;
  /** Most messages taken and not acknowledged. */
  readonly receiveMaximum?: number;
  /** As of `openConnection`. */
  readonly prepare: (client: MqttClient) => void;
}

export interface WorkerConnection {
  readonly client: MqttClient;
  readonly version: MqttVersion;
  readonly shared: boolean;
  readonly policy: SessionPolicy;
  /** Takes no further samples; the connection stays. */
  leave(): Promise<void>;
  /** Says goodbye. */
  close(): Promise<void>;
}

/** Resolves once it is subscribed. Throws HedgeErrors: usage (address, group, certificates), input (certificates), network. */
export async function connectWorker(options: WorkerConnectionOptions): Promise<WorkerConnection> {
  const { mode = "auto", group = DEFAULT_GROUP, name, prepare, receiveMaximum, broker, tls } = options;
  checkGroup(group);
  let sharesHere = false;
  const client = await openConnection({
    ...{ broker, tls, name, receiveMaximum },
    version: mode === "shared" ? 5 : "auto",
    prepare(connecting) {
      connecting.once("connect", ({ properties }) => {
        sharesHere = connecting.options.protocolVersion === 5 && properties?.sharedSubscriptionAvailable !== false;
      });
      prepare(connecting);
    },
  });
  const shared = mode === "shared" || (mode === "auto" && sharesHere);
  const filter = shared ? sharedOffloadFilter(group) : OFFLOAD_FILTER;
  try {
    // A refused subscription rejects too.
    await client.subscribeAsync(filter, { qos: 1 });
  } catch (cause) {
    await closeConnection(client, name);
    const why = (cause as Error).message;
    throw new HedgeError(
      "network",
      `The broker at ${shownBroker(broker)} refuses the worker ${name} the samples: ${why}.`,
      `Allow it to subscribe to ${OFFLOAD_FILTER}${shared ? ", shared: the broker has to speak MQTT 5, as mosquitto does" : ""}.`,
      { cause },
    );
  }
  return {
    client,
    version: versionOf(client),
    shared,
    policy: SESSION_POLICIES[shared ? "shared" : "single"],
    async leave() {
      if (client.connected) await client.unsubscribeAsync(filter).catch(() => undefined);
    },
    close: () => closeConnection(client, name),
  };
}
