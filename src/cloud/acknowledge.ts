/**
 * Acknowledging a message once its work is done, with many in work at a time. mqtt.js hands out one message, waits for the handler and
 * acknowledges then: with one model run per message in between, neither a second thread nor a ping would get its turn.
 */
import type { IPublishPacket, MqttClient } from "mqtt";

export interface Intake {
  /** Messages in work. */
  readonly pending: number;
  /** Resolves once no message is in work. */
  drained(): Promise<void>;
}

/**
 * Calls `work` for each message (it must not reject), and acknowledges the message when it resolves. With `limit` messages in work one more is
 * held, and the socket is not read any further: the broker has the rest. Where it honours a Receive Maximum of `limit` (MQTT 5) it never
 * comes to that, and pings go on being answered. What was retained is no offer but a leftover: it is acknowledged, and nothing else.
 */
export function takeMessages(
  client: MqttClient,
  limit: number,
  work: (topic: string, message: Uint8Array) => Promise<void>,
): Intake {
  let pending = 0;
  let connection = 0;
  let held: (() => void) | undefined;
  const whenDrained: (() => void)[] = [];
  client.on("close", () => {
    connection++;
    // It was of that connection; whoever sent it sends it again.
    held = undefined;
  });

  const settle = (packet: IPublishPacket, arrived: number) => {
    // A message id means nothing to another connection; the broker or the device sends that message again.
    if (packet.qos !== 1 || arrived !== connection || !client.connected || packet.messageId === undefined) return;
    acknowledge(client, packet.messageId);
  };
  const take = (packet: IPublishPacket, goOn: () => void) => {
    pending++;
    const arrived = connection;
    goOn();
    work(packet.topic, packet.payload as Buffer).finally(() => {
      pending--;
      settle(packet, arrived);
      const next = held;
      held = undefined;
      next?.();
      if (pending === 0) for (const resolve of whenDrained.splice(0)) resolve();
    });
  };

  client.handleMessage = (packet: IPublishPacket, callback) => {
    // An error given to mqtt.js's callback makes it go on with the next packet and leaves the acknowledgement to us.
    const goOn = () => callback(new Error("acknowledged later"));
    if (packet.retain) {
      settle(packet, connection);
      goOn();
    } else if (pending < limit) take(packet, goOn);
    else held = () => take(packet, goOn);
  };

  return {
    get pending() {
      return pending;
    },
    drained: () => (pending === 0 ? Promise.resolve() : new Promise((resolve) => whenDrained.push(resolve))),
  };
}

/** mqtt.js sends acknowledgements through this method, and offers no public one. */
function acknowledge(client: MqttClient, messageId: number): void {
  const sender = client as unknown as {
    _sendPacket(packet: { cmd: "puback"; messageId: number; reasonCode: number }): void;
  };
  sender._sendPacket({ cmd: "puback", messageId, reasonCode: 0 });
}
