/** Real brokers for tests: the embedded one, and mosquitto as a child process. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { startBroker } from "../../src/cloud/broker.ts";

export interface TestBroker {
  readonly url: string;
  readonly port: number;
  close(): Promise<void>;
}

export const BROKERS: Record<"aedes" | "mosquitto", (port?: number) => Promise<TestBroker>> = {
  aedes: (port = 0) => startBroker({ port }),
  mosquitto: startMosquitto,
};

/** A port that nothing listens on. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}

/** Without persistence: a restart forgets everything, as the embedded broker's does. */
export async function startMosquitto(port?: number): Promise<TestBroker> {
  const listen = port ?? (await freePort());
  const folder = await mkdtemp(join(tmpdir(), "hedge-mosquitto-"));
  const config = join(folder, "mosquitto.conf");
  await writeFile(config, `listener ${listen} 127.0.0.1\nallow_anonymous true\npersistence false\nlog_type none\n`);
  const path = `${process.env.PATH}:/usr/sbin:/usr/local/sbin`;
  const child = spawn("mosquitto", ["-c", config], { stdio: "ignore", env: { ...process.env, PATH: path } });
  const failed = once(child, "error").then(([error]) => {
    throw new Error(`mosquitto does not start: apt-get install mosquitto (${(error as Error).message})`);
  });
  const exited = once(child, "exit");
  await Promise.race([failed, listening(listen), exited.then(() => Promise.reject(new Error("mosquitto ended")))]);
  return {
    url: `mqtt://127.0.0.1:${listen}`,
    port: listen,
    async close() {
      child.kill();
      await exited;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function listening(port: number): Promise<void> {
  for (;;) {
    const socket = connect(port, "127.0.0.1");
    const up = await Promise.race([
      once(socket, "connect").then(() => true),
      once(socket, "error").then(() => false),
    ]).catch(() => false);
    socket.destroy();
    if (up) return;
    await setTimeout(20);
  }
}
