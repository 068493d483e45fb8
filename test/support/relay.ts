/** A line that can be cut: what connects to it is connected to the target, byte by byte. */
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

export interface Relay {
  /** Of the near end, as a link's address. */
  readonly link: string;
  /** Where new connections lead: a link's address, `tcp:host:port`; undefined for nowhere. */
  target: string | undefined;
  /** Ends the connections of the moment. */
  cut(): void;
  /** Puts bytes on the line, towards the near end. */
  inject(bytes: Uint8Array): void;
  close(): Promise<void>;
}

export async function startRelay(target?: string): Promise<Relay> {
  const near = new Set<Socket>();
  const server = createServer((socket) => {
    const to = relay.target?.split(":");
    if (to === undefined) {
      socket.destroy();
      return;
    }
    const far = connect(Number(to[2]), to[1]!);
    near.add(socket);
    for (const [a, b] of [
      [socket, far],
      [far, socket],
    ] as const) {
      a.on("error", () => undefined);
      a.on("data", (bytes) => b.write(bytes));
      a.on("close", () => {
        near.delete(a);
        b.destroy();
      });
    }
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  const relay: Relay = {
    link: `tcp:127.0.0.1:${port}`,
    target,
    cut() {
      for (const socket of near) socket.destroy();
    },
    inject(bytes) {
      for (const socket of near) socket.write(bytes);
    },
    async close() {
      relay.target = undefined;
      relay.cut();
      server.close();
      await once(server, "close");
    },
  };
  return relay;
}
