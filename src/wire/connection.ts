/**
 * A client's connection to a broker: the first attempt fails fast and clearly, later losses are mended without end.
 */
import { Socket } from "node:net";
import { connect, type IClientOptions, type MqttClient } from "mqtt";
import { HedgeError } from "../errors.ts";
import { type BrokerAccess, checkBroker, readTls, shownBroker, type TlsMaterial } from "./broker-access.ts";
import { FRAME_LIMITS } from "./frames.ts";
import { statusTopic } from "./topics.ts";

/** Milliseconds within which the broker has to answer the first time. */
const CONNECT_TIMEOUT = 5_000;
/** Milliseconds between attempts to come back. */
const RECONNECT_PERIOD = 500;
/** Milliseconds in which the broker may take leave. */
const GOODBYE = 2_000;
/** Seconds of silence after which the broker is taken for gone. */
const KEEPALIVE = 30;
/** The largest packet that anybody has to send: a frame, and room for its topic and headers. */
export const MAX_PACKET_BYTES = FRAME_LIMITS.offload + 1024;

/** 4 is MQTT 3.1.1. */
export type MqttVersion = 4 | 5;

export interface ConnectionOptions extends BrokerAccess {
  /** Client id; also whose status is kept on the broker, as its last will. */
  readonly name: string;
  /** False for those who only look in: the broker keeps no status of theirs. Default true. */
  readonly status?: boolean;
  /** Default "auto": 5 where the broker speaks it, else 3.1.1. */
  readonly version?: MqttVersion | "auto";
  /** MQTT 5: most messages that the broker may have sent without an acknowledgement. */
  readonly receiveMaximum?: number;
  /** Called before the first packet comes in: the place to listen. A broker that does not speak MQTT 5 is tried with several clients. */
  readonly prepare: (client: MqttClient) => void;
}

/** Addresses at which MQTT 5 was refused: asked once by a process that has many connections to one broker. */
const speakOnly3 = new Set<string>();

/**
 * Connects. Sessions are clean and end with the connection: who keeps a sample is the device. Throws HedgeErrors: network, within seconds, when
 * no broker answers; usage and input for an address or a certificate that is none.
 */
export async function openConnection(options: ConnectionOptions): Promise<MqttClient> {
  const { broker, version = "auto" } = options;
  checkBroker(options);
  const tls = await readTls(options.tls);
  if (version !== "auto") return attempt(options, tls, version);
  if (!speakOnly3.has(broker)) {
    const newest = () => attempt(options, tls, 5).catch(olderBroker);
    const first = await newest();
    if (!(first instanceof HedgeError)) return first;
    if (isDropped(first)) {
      // It may have been on its way up. Once it answers at all, being dropped again means the version.
      await closeConnection(await attempt(options, tls, 4), options.name);
      const second = await newest();
      if (!(second instanceof HedgeError)) return second;
    }
  }
  const client = await attempt(options, tls, 4);
  speakOnly3.add(broker);
  return client;
}

/** What the two sides agreed on. */
export function versionOf(client: MqttClient): MqttVersion {
  return client.options.protocolVersion === 5 ? 5 : 4;
}

async function attempt(options: ConnectionOptions, tls: TlsMaterial, version: MqttVersion): Promise<MqttClient> {
  const { broker, name, status = true, receiveMaximum = 64, prepare } = options;
  const mqttOptions: IClientOptions = {
    ...tls,
    rejectUnauthorized: true,
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
    mqttOptions.properties = { receiveMaximum, maximumPacketSize: MAX_PACKET_BYTES, sessionExpiryInterval: 0 };
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
    throw refusal(options, cause as ConnectionError);
  }
  // From now on a broker that refuses is one that is not quite back yet.
  client.options.reconnectOnConnackError = true;
  if (status) {
    client.on("connect", () => announce(client, name));
    announce(client, name);
  }
  return client;
}

/** Says goodbye: status, then DISCONNECT. Resolves within seconds, also when the broker is not there to hear it. */
export async function closeConnection(client: MqttClient, name: string): Promise<void> {
  const gone = new Promise<void>((resolve) => client.once("close", () => resolve()));
  const patience = setTimeout(() => client.stream.destroy(), GOODBYE);
  if (client.connected) {
    // A clean DISCONNECT discards the last will, so that the status has to be published by hand.
    const said = client.publishAsync(statusTopic(name), "offline", { qos: 1, retain: true });
    await Promise.race([said.catch(() => undefined), gone]);
  }
  // mqtt.js waits for acknowledgements that do not come any more once the connection is gone.
  await Promise.race([client.endAsync(!client.connected), gone]);
  clearTimeout(patience);
}

/** Otherwise a small packet waits for the acknowledgement of the one before, which the other side delays by 40 ms. */
function sendAtOnce(client: MqttClient): void {
  if (client.stream instanceof Socket) client.stream.setNoDelay(true);
}

/** mqtt.js gives the code of a CONNACK as a number, that of a socket's error as a text, and none for a connection that was dropped. */
interface ConnectionError extends Error {
  readonly code?: string | number;
  /** What OpenSSL says, without where in its source. */
  readonly reason?: string;
}

/** CONNACKs of brokers that do not speak the version: MQTT 3.1.1's and MQTT 5's. */
const UNKNOWN_VERSION: readonly unknown[] = [1, 0x84];
const DROPPED = "the connection was closed before it was accepted";

/** The error, where another version may help: the broker refuses this one, or drops whoever speaks it. Throws any other. */
function olderBroker(error: HedgeError): HedgeError {
  if (isDropped(error) || UNKNOWN_VERSION.includes((error.cause as ConnectionError).code)) return error;
  throw error;
}

function isDropped({ cause }: HedgeError): boolean {
  return (cause as ConnectionError).message === DROPPED;
}

/** Codes of Node's errors about a certificate that is shown to it. */
const CERTIFICATE_ERROR = /CERT|SIGNATURE/;
/** Codes of Node's errors about what the broker thinks of this client's certificate. */
const CERTIFICATE_ALERT = /ALERT.*(CERT|UNKNOWN_CA|HANDSHAKE)/;

/** Codes of a connection that was there, and was ended by the other side. */
const CUT_OFF: readonly unknown[] = ["ECONNRESET", "EPIPE"];

function refusal({ broker, tls }: BrokerAccess, cause: ConnectionError): HedgeError {
  const shown = shownBroker(broker);
  const why = cause.reason || cause.message || cause.code;
  const network = (sentence: string, remedy: string) => new HedgeError("network", sentence, remedy, { cause });
  if (typeof cause.code === "number") {
    const remedy = UNKNOWN_VERSION.includes(cause.code)
      ? "Use a broker that speaks MQTT 5, such as mosquitto."
      : "Allow this client on the broker.";
    return network(`The MQTT broker at ${shown} refuses the connection: ${why}.`, remedy);
  }
  if (cause.code !== undefined && CERTIFICATE_ALERT.test(cause.code)) {
    const what = tls?.cert === undefined ? "asks for a certificate" : `does not take the certificate ${tls.cert}`;
    const remedy = "Give one that its authority signed and that has not expired, with --tls-cert and --tls-key.";
    return network(`The MQTT broker at ${shown} ${what}: ${why}.`, remedy);
  }
  if (cause.code !== undefined && CERTIFICATE_ERROR.test(cause.code)) {
    const sentence = `The MQTT broker at ${shown} shows a certificate that is not trusted: ${why}.`;
    return network(sentence, "Name its authority with --tls-ca ca.pem, and reach it by a name in its certificate.");
  }
  if (broker.startsWith("mqtts:") && (why === DROPPED || CUT_OFF.includes(cause.code))) {
    // The broker's word about the certificate may be lost with the connection.
    const remedy = "It may ask for a certificate, or for another one: --tls-cert and --tls-key.";
    return network(`The MQTT broker at ${shown} ends the connection: ${why}.`, remedy);
  }
  return network(
    `No MQTT broker answers at ${shown}: ${why}.`,
    "Start one (hedge broker, or mosquitto), or give its address with --broker.",
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
    const onClose = () => settle(new Error(DROPPED));
    client.on("connect", onConnect);
    client.on("error", settle);
    client.on("close", onClose);
  });
}
