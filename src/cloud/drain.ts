/** Ending without losing what was taken. */
import { setTimeout as pause } from "node:timers/promises";
import type { MqttClient, Packet } from "mqtt";
import type { Intake } from "./acknowledge.ts";

/**
 * Resolves once every message is answered. An acknowledgement lets the broker send what it held back for this client, and that is here when
 * the broker answers a ping that was sent after.
 */
export async function drained(client: MqttClient, intake: Intake): Promise<void> {
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

/** Whether the work was done within `ms`. */
export async function within(ms: number, work: Promise<unknown>): Promise<boolean> {
  const limit = new AbortController();
  const late = pause(ms, false, { signal: limit.signal }).catch(() => false);
  try {
    return await Promise.race([work.then(() => true), late]);
  } finally {
    limit.abort();
  }
}
