/** Ways to a device for those who operate it: its link, or the broker that it is at. */
import { randomBytes } from "node:crypto";
import { HedgeError } from "../errors.ts";
import { Link } from "../link/link.ts";
import { type BrokerAccess, certificateName, shownBroker } from "../wire/broker-access.ts";
import { openConnection } from "../wire/connection.ts";
import { FRAME_TYPES } from "../wire/fields.ts";
import { answerTopic, checkName, commandTopic, eventTopic, statusTopic } from "../wire/topics.ts";

export interface Transport {
  /** For sentences: `tcp:127.0.0.1:4000`, `porch at mqtt://127.0.0.1:1883`. */
  readonly name: string;
  /** Sends a Command frame if there is a way at the moment: who wants an answer asks again. */
  send(command: Uint8Array): void;
  /** What keeps frames from the device, as far as this side knows: the end of a sentence. */
  trouble(): string | undefined;
  close(): Promise<void>;
}

export interface TransportHandlers {
  /** What the device sent: any frame, unchecked. */
  readonly onFrame: (frame: Uint8Array) => void;
  /** Over a link: a line of the device's log. */
  readonly onLog?: (line: string) => void;
  /** The link, or the broker, is there (no reason), or gone (why). */
  readonly onLine?: (trouble: string | undefined) => void;
  /** Over MQTT: whether the device is at the broker. */
  readonly onStatus?: (online: boolean) => void;
}

const GONE = "the broker is gone";

/** Throws a HedgeError (usage) for an address that is none. */
export function linkTransport(address: string, handlers: TransportHandlers): Transport {
  let trouble: string | undefined = "it is being opened";
  const link = new Link({
    address,
    onFrame: (_type, frame) => handlers.onFrame(frame),
    onLog: handlers.onLog,
    onLine: (why) => {
      trouble = why;
      handlers.onLine?.(why);
    },
  });
  return {
    name: address,
    send: (command) => void link.send(FRAME_TYPES.command, command),
    trouble: () => trouble,
    close: async () => link.close(),
  };
}

/** Throws HedgeErrors: usage (the address, the name), input (certificates), network (no broker, or one that refuses). */
export async function mqttTransport(
  access: BrokerAccess,
  device: string,
  handlers: TransportHandlers,
): Promise<Transport> {
  checkName("device", device);
  const shown = shownBroker(access.broker);
  let online: boolean | undefined;
  const client = await openConnection({
    ...access,
    name: (await certificateName(access.tls)) ?? `operator-${randomBytes(4).toString("hex")}`,
    status: false,
    prepare: (connecting) =>
      connecting.on("message", (topic, message) => {
        if (topic !== statusTopic(device)) return handlers.onFrame(message);
        online = message.toString() === "online";
        handlers.onStatus?.(online);
      }),
  });
  const topics = [answerTopic(device), eventTopic(device), statusTopic(device)];
  await client.subscribeAsync(topics, { qos: 1 }).catch(async (cause) => {
    await client.endAsync();
    throw new HedgeError(
      "network",
      `The broker at ${shown} refuses to tell what ${device} says: ${(cause as Error).message}.`,
      `Allow this client to subscribe to ${topics.join(", ")}.`,
      { cause },
    );
  });
  let isClosing = false;
  client.on("close", () => {
    if (!isClosing) handlers.onLine?.(GONE);
  });
  client.on("connect", () => handlers.onLine?.(undefined));
  return {
    name: `${device} at ${shown}`,
    send(command) {
      // Without a connection mqtt.js would keep it for later; whoever waits asks again.
      if (client.connected) client.publish(commandTopic(device), Buffer.from(command), { qos: 1 });
    },
    trouble() {
      if (!client.connected) return GONE;
      return online ? undefined : "the broker knows no such device online";
    },
    close() {
      isClosing = true;
      return client.endAsync(!client.connected);
    },
  };
}
