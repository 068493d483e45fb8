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
 * Calls `work` for each message (it must not reject), and acknowledges the message when it resolves. Beyond `limit` messages in work the
 * socket is not read any more: the broker holds the rest.
 */
export function takeMessages(
  client: MqttClient,
  limit: number,
  work: (topic: string, message: Uint8Array) => Promise<void>,
): Intake {
  let pending = 0;
  let connection = 0;
  let release: (() => void) | undefined;
  const whenDrained: (() => void)[] = [];
  client.on("close", () => {
    connection++;
    release = undefined;
  });

  // An error given to mqtt.js's callback makes it go on with the next packet and leaves the acknowledgement to us.
  const goOn = (callback: (error?: Error) => void) => callback(new Error("acknowledged later"));

  client.handleMessage = (packet: IPublishPacket, callback) => {
    pending++;
    const arrived = connection;
    if (pending >= limit) release = () => goOn(callback);
    else goOn(callback);
    work(packet.topic, packet.payload as Buffer).finally(() => {
      pending--;
      // A message id means nothing to another connection; the broker or the device sends that message again.
      if (packet.qos === 1 && arrived === connection && client.connected && packet.messageId !== undefined) {
        acknowledge(client, packet.messageId);
      }
      const resume = release;
      release = undefined;
      resume?.();
      if (pending === 0) for (const resolve of whenDrained.splice(0)) resolve();
    });
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
