import type { MqttClient } from "mqtt";
import type { Logger } from "pino";
import { shownBroker } from "./broker-access.ts";

/** Logs when the connection comes and goes; a broker that is away is tried twice a second, of which nothing is said. */
export function logConnection(client: MqttClient, log: Logger, broker: string): void {
  const where = shownBroker(broker);
  let connected = false;
  client.on("connect", () => {
    connected = true;
    log.info({ broker: where }, "connected");
  });
  client.on("close", () => {
    if (connected) log.info({ broker: where }, "connection closed");
    connected = false;
  });
}
