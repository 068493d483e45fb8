/**
 * An MQTT 3.1.1 broker in this process, for one machine and one worker. It has no passwords, so it listens on this machine only unless
 * told otherwise; several workers need a broker with shared subscriptions, such as mosquitto.
 */
import { createServer, type Socket } from "node:net";
import { Aedes } from "aedes";
import { HedgeError } from "../errors.ts";
import { FRAME_LIMITS } from "../wire/frames.ts";

export interface BrokerOptions {
  /** Default 0: any free port. */
  readonly port?: number;
  /** Default 127.0.0.1. */
  readonly host?: string;
}

export interface Broker {
  /** `mqtt://host:port`, for clients. */
  readonly url: string;
  readonly port: number;
  /** Ends every connection and stops listening. */
  close(): Promise<void>;
}

/** Starts the broker; throws a HedgeError (network) when the address cannot be listened on. */
export async function startBroker(options: BrokerOptions = {}): Promise<Broker> {
  const { port = 0, host = "127.0.0.1" } = options;
  const aedes = await Aedes.createBroker({
    // A packet larger than the largest frame with its topic ends the connection of who sent it.
    authorizePublish: (_client, packet, done) =>
      done(packet.payload.length > FRAME_LIMITS.offload ? new Error("the message is too large") : null),
    // Milliseconds that a client may leave its socket full. A worker under load does that for a while.
    drainTimeout: 60_000,
  });
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    aedes.handle(socket);
  });
  try {
    await new Promise<void>((resolve, reject) => server.once("error", reject).listen(port, host, resolve));
  } catch (cause) {
    // Its timers would keep the process alive.
    aedes.close();
    throw new HedgeError(
      "network",
      `The broker cannot listen on ${host}:${port} (${(cause as NodeJS.ErrnoException).code}).`,
      "Choose another port with --port, or stop what listens there.",
      { cause },
    );
  }
  const address = server.address();
  const bound = typeof address === "object" && address !== null ? address.port : port;
  return {
    url: `mqtt://${host}:${bound}`,
    port: bound,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      await new Promise<void>((resolve) => aedes.close(() => resolve()));
      // Those that had not yet said CONNECT are unknown to aedes.
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
