/** Real brokers for tests: the embedded one, and mosquitto as a child process. */
import { startBroker } from "../../src/cloud/broker.ts";
import { type Broker, startMosquitto } from "../../src/explore/mosquitto.ts";

export { type Broker as TestBroker, freePort, startMosquitto } from "../../src/explore/mosquitto.ts";

export const BROKERS: Record<"aedes" | "mosquitto", (port?: number) => Promise<Broker>> = {
  aedes: (port = 0) => startBroker({ port }),
  mosquitto: startMosquitto,
};
