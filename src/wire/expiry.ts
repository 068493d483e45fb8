/** How long a broker may keep a message that it cannot deliver: as long as somebody waits for its answer. */
import type { IClientPublishOptions, MqttClient } from "mqtt";

/** The largest number of seconds that MQTT 5 can say. */
const LONGEST = 2 ** 32 - 1;

/**
 * Options to publish a message with that is of use until `deadline` (milliseconds from the epoch). MQTT 5 counts whole seconds, so it may
 * live up to one longer; 3.1.1 knows no expiry, and whoever takes the message compares its deadline anyway.
 */
export function untilDeadline(client: MqttClient, deadline: number, now = Date.now()): IClientPublishOptions {
  if (client.options.protocolVersion !== 5) return { qos: 1 };
  const seconds = Math.ceil((deadline - now) / 1000);
  return { qos: 1, properties: { messageExpiryInterval: Math.min(LONGEST, Math.max(1, seconds)) } };
}
