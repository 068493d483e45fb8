/**
 * A client's connection to a broker: the first attempt fails fast and clearly, later losses are mended without end.
 */
import { Socket } from "node:net";
import { connect, type IClientOptions, type MqttClient } from "mqtt";
import { HedgeError } from "../errors.ts";
import { FRAME_LIMITS } from "./frames.ts";
import { statusTopic } from "./topics.ts";

/** Milliseconds within which the broker has to answer the first time. */
const CONNECT_TIMEOUT = 5_000;
/** Milliseconds between attempts to come back. */
const RECONNECT_PERIOD = 500;
/** Seconds of silence after which the broker is taken for gone. */
const KEEPALIVE = 30;
/** Room for the topic and the headers of a packet. */
const TOPIC_BYTES = 1024;

export interface ConnectionOptions {
  /** `mqtt://host:port` or `mqtts://host:port`. */
  readonly broker: string;
  /** Client id; also whose status is kept on the broker, as its last will. */
  readonly name: string;
  /** False for those who only look in: the broker keeps no status of theirs. Default true. */
  readonly status?: boolean;
  /** 5 for shared subscriptions; 4 is MQTT 3.1.1. Default 4. */
  readonly version?: 4 | 5;
  /** MQTT 5: most messages that the broker may have sent without an acknowledgement. */
  readonly receiveMaximum?: number;
  /** Called before the first packet comes in: the place to listen. */
  readonly prepare: (client: MqttClient) => void;
}

/** Throws a HedgeError (usage) when `broker` is not the address of a broker. */
export function checkBroker(broker: string): void {
  const url = URL.canParse(broker) ? new URL(broker) : undefined;
  if (url === undefined || !["mqtt:", "mqtts:"].includes(url.protocol) || url.hostname === "") {
    throw new HedgeError(
      "usage",
      `${JSON.stringify(broker)} is not the address of an MQTT broker.`,
      "Give an address such as mqtt://127.0.0.1:1883.",
    );
  }
}

/** Connects; throws a HedgeError (network) within seconds when no broker answers. Sessions are clean: who keeps a sample is the device. */
export async function openConnection(options: ConnectionOptions): Promise<MqttClient> {
  const { broker, name, status = true, version = 4, receiveMaximum, prepare } = options;
  checkBroker(broker);
  const mqttOptions: IClientOptions = {
    clientId: name,
    protocolVersion: version,
    clean: true,
    keepalive: KEEPALIVE,
    connectTimeout: CONNECT_TIMEOUT,
    reconnectPeriod: RECONNECT_PERIOD,
    ...(status && { will: { topic: statusTopic(name), payload: Buffer.from("offline"), qos: 1, retain: true } }),
  };
  if (version === 5) {
    // The broker drops what is larger, before it gets here.
    const maximumPacketSize = FRAME_LIMITS.offload + TOPIC_BYTES;
    mqttOptions.properties = { receiveMaximum: receiveMaximum ?? 64, maximumPacketSize };
  }
  const client = connect(broker, mqttOptions);
  prepare(client);
  client.on("connect", () => sendAtOnce(client));
  // Without a listener an error of the socket would end the process; "close" follows and mqtt.js connects again.
  client.on("error", () => undefined);
  try {
    await firstConnection(client);
  } catch (cause) {
    client.end(true);
    throw refusal(broker, version, cause as Error & { code?: string | number });
  }
  if (status) {
    client.on("connect", () => announce(client, name));
    announce(client, name);
  }
  return client;
}

/** Says goodbye: status, then DISCONNECT. Resolves also when the broker is not there to hear it. */
export async function closeConnection(client: MqttClient, name: string): Promise<void> {
  if (client.connected) {
    // A clean DISCONNECT discards the last will, so that the status has to be published by hand.
    await Promise.race([
      client.publishAsync(statusTopic(name), "offline", { qos: 1, retain: true }).catch(() => undefined),
      new Promise<void>((resolve) => client.once("close", () => resolve())),
    ]);
  }
  await client.endAsync(!client.connected);
}

/** Otherwise a small packet waits for the acknowledgement of the one before, which the other side delays by 40 ms. */
function sendAtOnce(client: MqttClient): void {
  if (client.stream instanceof Socket) client.stream.setNoDelay(true);
}

/** Codes of Node's errors about a certificate that is shown to it. */
const CERTIFICATE_ERROR = /CERT|SIGNATURE/;

/** mqtt.js gives the code of a CONNACK as a number, that of a socket's error as a text. */
function refusal(broker: string, version: 4 | 5, cause: Error & { code?: string | number }): HedgeError {
  const why = cause.message || cause.code;
  if (typeof cause.code === "number") {
    const hint = version === 5 ? " It may not speak MQTT 5: mosquitto does." : "";
    const sentence = `The MQTT broker at ${broker} refuses the connection: ${why}.`;
    return new HedgeError("network", sentence, `Allow this client on the broker.${hint}`, { cause });
  }
  if (cause.code !== undefined && CERTIFICATE_ERROR.test(cause.code)) {
    const sentence = `The MQTT broker at ${broker} shows a certificate that is not trusted: ${why}.`;
    const remedy =
      "Trust its authority: NODE_EXTRA_CA_CERTS=ca.pem hedge ..., and reach it by a name in its certificate.";
    return new HedgeError("network", sentence, remedy, { cause });
  }
  return new HedgeError(
    "network",
    `No MQTT broker answers at ${broker}: ${why}.`,
    "Start one (hedge broker, or mosquitto), or give its address with --broker.",
    { cause },
  );
}

function announce(client: MqttClient, name: string): void {
  client.publish(statusTopic(name), "online", { qos: 1, retain: true });
}

function firstConnection(client: MqttClient): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (error?: Error) => {
      client.off("connect", onConnect);
      client.off("error", settle);
      client.off("close", onClose);
      if (error) reject(error);
      else resolve();
    };
    const onConnect = () => settle();
    const onClose = () => settle(new Error("the connection was closed before it was accepted"));
    client.on("connect", onConnect);
    client.on("error", settle);
    client.on("close", onClose);
  });
}
