import { type EventEmitter, once } from "node:events";
import type { MqttClient } from "mqtt";

/** The next event of a client's: mqtt.js types its events too closely for Node's `once`. */
export const emitted = (client: MqttClient, event: "connect" | "message" | "close"): Promise<unknown[]> =>
  once(client as unknown as EventEmitter, event);
