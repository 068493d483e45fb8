/** mosquitto as a child process: the broker that people run. It ends with this one. */
import { once } from "node:events";
import { rmSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { HedgeError } from "../errors.ts";
import { spawnTied } from "./tied-child.ts";

export interface Broker {
  readonly url: string;
  readonly port: number;
  close(): Promise<void>;
}

export interface Mosquitto extends Broker {
  readonly pid: number;
  /** Ends it as a power cut does. */
  kill(): Promise<void>;
}

/** A port that nothing listens on. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}

/**
 * On the loopback, by default on a free port. Without persistence: a restart forgets everything, as the embedded broker's does.
 * @param settings more lines of its configuration
 * @param others lines in front of it: further listeners with settings of their own
 * @throws HedgeError: usage when it is not installed
 */
export async function startMosquitto(
  port?: number,
  settings: readonly string[] = [],
  others: readonly string[] = [],
): Promise<Mosquitto> {
  const listen = port ?? (await freePort());
  const folder = await mkdtemp(join(tmpdir(), "hedge-mosquitto-"));
  const config = join(folder, "mosquitto.conf");
  const lines = [
    ...others,
    `listener ${listen} 127.0.0.1`,
    // Without it a message waits up to 40 ms for the acknowledgement of the one before.
    "set_tcp_nodelay true",
    ...settings,
    "allow_anonymous true",
    "persistence false",
    "log_type none",
  ];
  await writeFile(config, `${lines.join("\n")}\n`);
  const path = `${process.env.PATH}:/usr/sbin:/usr/local/sbin`;
  const options = { stdio: "ignore", env: { ...process.env, PATH: path } } as const;
  const child = spawnTied("mosquitto", ["-c", config], options, () => rmSync(folder, { recursive: true, force: true }));
  const failed = once(child, "error").then(([cause]) => {
    throw new HedgeError("usage", "mosquitto is not installed.", "Install it: apt-get install mosquitto.", { cause });
  });
  const exited = once(child, "exit");
  const ended = exited.then(() => {
    throw new HedgeError("network", "mosquitto ended.", `Start it by hand to see why: mosquitto -c ${config}`);
  });
  await Promise.race([failed, listening(listen), ended]);
  const end = async (signal: NodeJS.Signals) => {
    child.kill(signal);
    await exited;
    await rm(folder, { recursive: true, force: true });
  };
  return {
    url: `mqtt://127.0.0.1:${listen}`,
    port: listen,
    pid: child.pid as number,
    close: () => end("SIGTERM"),
    kill: () => end("SIGKILL"),
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
