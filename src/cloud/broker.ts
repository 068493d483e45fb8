/**
 * An MQTT 3.1.1 broker in this process, for one machine and one worker. It knows clients by their certificates or not at all, so it listens
 * on this machine only unless told otherwise; several workers need a broker with shared subscriptions, such as mosquitto.
 */
import { createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { Aedes, type AedesOptions, type PublishPacket } from "aedes";
import { checkRoles, type RoleNames } from "../acl/rights.ts";
import { HedgeError } from "../errors.ts";
import { readTls, type TlsFiles, type TlsMaterial } from "../wire/broker-access.ts";
import { MAX_PACKET_BYTES } from "../wire/connection.ts";
import { FRAME_LIMITS } from "../wire/frames.ts";
import { guardOf } from "./broker-guard.ts";
import { BrokerStore } from "./broker-store.ts";
import { PacketMeter } from "./packet-meter.ts";

export interface BrokerOptions {
  /** Default 0: any free port. */
  readonly port?: number;
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Folder for sessions, what waits for them, and retained messages. Default: memory, until it is closed. */
  readonly data?: string;
  /** The broker's certificate and key; with an authority every client has to show a certificate of it, and has the rights of the name in it. */
  readonly tls?: TlsFiles;
  /** Who has more than a device's rights; comes with an authority. */
  readonly names?: RoleNames;
  /** Connections at a time; further ones are closed at once. Default 10,000. */
  readonly maxConnections?: number;
  /** Told of what goes wrong while it runs, such as a full disk. */
  readonly onTrouble?: (error: Error) => void;
}

export interface BrokerCounts {
  readonly clients: number;
  /** Taken from clients since the start, and the bytes in them. */
  readonly messages: number;
  readonly bytes: number;
  /** Waiting for clients who are away, and dropped because too many were; 0 without a folder. */
  readonly queued: number;
  readonly dropped: number;
}

export interface Broker {
  /** `mqtt://host:port` or `mqtts://host:port`, for clients. */
  readonly url: string;
  readonly port: number;
  counts(): BrokerCounts;
  /** Ends every connection and stops listening. */
  close(): Promise<void>;
}

/**
 * aedes takes a message for a copy, and drops it, when one that it numbered later came first. Messages overtake each other while they are stored, and
 * here nothing is sent twice: this in place of its numbers has it believe each. Who subscribes to a topic twice hears twice, as MQTT allows.
 */
const NO_DUPLICATES = new Proxy({}, { get: () => 0, set: () => true });

const NOBODY: RoleNames = { worker: [], operator: [], recorder: [] };

/**
 * Starts the broker. Throws HedgeErrors: network when the address cannot be listened on, usage and input for certificates and a folder that do
 * not do.
 */
export async function startBroker(options: BrokerOptions = {}): Promise<Broker> {
  const { port = 0, host = "127.0.0.1", data, names, onTrouble, maxConnections = 10_000 } = options;
  const tls = options.tls && (await readBrokerTls(options.tls));
  if (names !== undefined && tls?.ca === undefined) {
    throw new HedgeError(
      "usage",
      "Rights are given, but nobody has a name.",
      "Give the authority of their certificates: --tls-ca.",
    );
  }
  if (names !== undefined) checkRoles(names);
  const store = data === undefined ? undefined : await BrokerStore.open(data);
  const aedes = await Aedes.createBroker({
    ...aedesOptions(tls?.ca === undefined ? undefined : (names ?? NOBODY)),
    persistence: store,
  });
  const counts = { messages: 0, bytes: 0 };
  aedes.on("publish", ({ payload }, client) => {
    if (client === null) return;
    counts.messages++;
    counts.bytes += payload.length;
  });
  // aedes has no types for it; without a listener it would end the process.
  (aedes as NodeJS.EventEmitter).on("error", (error) => onTrouble?.(error));
  const sockets = new Set<Socket>();
  const server = createDoor(tls, (socket) => {
    (aedes.handle(metered(socket)) as unknown as { duplicates: object }).duplicates = NO_DUPLICATES;
  });
  server.maxConnections = maxConnections;
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  const closeAedes = async () => {
    await new Promise<void>((resolve) => aedes.close(() => resolve()));
    await store?.destroy();
  };
  try {
    await new Promise<void>((resolve, reject) => server.once("error", reject).listen(port, host, resolve));
  } catch (cause) {
    // Its timers would keep the process alive.
    await closeAedes();
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
    url: `${tls ? "mqtts" : "mqtt"}://${host}:${bound}`,
    port: bound,
    counts: () => ({ clients: aedes.connectedClients, ...counts, ...(store?.counts() ?? { queued: 0, dropped: 0 }) }),
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      await closeAedes();
      // Those that had not yet said CONNECT are unknown to aedes.
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

async function readBrokerTls(files: TlsFiles): Promise<TlsMaterial> {
  const tls = await readTls(files);
  if (tls.cert !== undefined) return tls;
  throw new HedgeError("usage", "The broker has no certificate of its own.", "Give --tls-cert and --tls-key.");
}

/** @param names undefined: everybody may do everything */
function aedesOptions(names: RoleNames | undefined): AedesOptions {
  const guard = names && guardOf(names);
  const authorizePublish: NonNullable<AedesOptions["authorizePublish"]> = (client, packet, done) => {
    if (packet.payload.length > FRAME_LIMITS.offload) done(new Error("the message is too large"));
    else if (packet.topic.startsWith("$")) done(new Error("the broker's topics are its own"));
    else if (guard) guard.authorizePublish(client, packet, done);
    else done(null);
  };
  return {
    ...guard,
    // Who breaks a rule loses its connection: MQTT 3.1.1 knows no other answer.
    authorizePublish,
    // A last will that was not to be said would stop all others when the broker comes back.
    preConnect(_client, { will, clientId }, done) {
      if (will === undefined) return done(null, true);
      authorizePublish(null, { ...(will as PublishPacket), ...{ clientId } }, (error) => done(error ?? null, !error));
    },
    // Milliseconds that a client may leave its socket full. A worker under load does that for a while.
    drainTimeout: 60_000,
    // Milliseconds; four times that after a restart those who did not come back are called offline.
    heartbeatInterval: 15_000,
  };
}

function createDoor(tls: TlsMaterial | undefined, onSocket: (socket: Socket) => void): Server {
  if (tls === undefined) return createServer({ noDelay: true }, onSocket);
  const server = createTlsServer({ ...tls, noDelay: true, minVersion: "TLSv1.2", requestCert: tls.ca !== undefined });
  return server.on("secureConnection", onSocket);
}

/** aedes gathers a whole packet before it asks for permission; what is too large is cut off at its head. */
function metered(socket: Socket): Socket {
  const meter = new PacketMeter(MAX_PACKET_BYTES);
  const read = socket.read.bind(socket);
  socket.read = (size) => {
    const chunk: Buffer | null = read(size);
    if (chunk === null || meter.take(chunk)) return chunk;
    socket.destroy();
    return null;
  };
  return socket;
}
