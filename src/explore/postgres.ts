/** PostgreSQL as child processes: a server of its own in a folder of its own, for tests and benches. It ends with this process. */
import { type ChildProcess, execFile } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, rmSync } from "node:fs";
import { chown, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { setTimeout } from "node:timers/promises";
import pg from "pg";
import { HedgeError } from "../errors.ts";
import { freePort } from "./mosquitto.ts";
import { spawnTied } from "./tied-child.ts";

export interface Postgres {
  /** With user and password, which the server asks for. */
  readonly url: string;
  readonly port: number;
  /** Ends it in order; connections are cut. */
  stop(): Promise<void>;
  /** Ends it as a power cut does. */
  kill(): Promise<void>;
  /** Starts it again, on its port and with its data; resolves when it takes connections. */
  start(): Promise<void>;
  /** Runs SQL as the owner of everything; the rows of the last statement. */
  query(sql: string): Promise<Record<string, unknown>[]>;
  /** Ends it and removes its folder. */
  close(): Promise<void>;
}

const USER = "hedge";
const PASSWORD = "only-here";
/** Milliseconds between attempts to reach a server that starts. */
const RETRY = 50;
const START_TIMEOUT = 60_000;

/**
 * On the loopback, on a free port. Where the tests run as root, it runs as the user `postgres` or `nobody`: it refuses to be root's.
 * @throws HedgeError (usage) when it is not installed
 */
export async function startPostgres(): Promise<Postgres> {
  const programs = programFolder();
  const owner = await unprivileged();
  const folder = await mkdtemp(join(tmpdir(), "hedge-postgres-"));
  const data = join(folder, "data");
  const passwordFile = join(folder, "password");
  await writeFile(passwordFile, PASSWORD);
  if (owner) for (const path of [folder, passwordFile]) await chown(path, owner.uid, owner.gid);
  const as = { ...owner, cwd: folder };
  const create = ["-D", data, "-U", USER, "--pwfile", passwordFile, "--auth", "scram-sha-256"];
  await run(join(programs, "initdb"), [...create, "--encoding", "UTF8", "--no-locale", "--no-sync"], as);

  const port = await freePort();
  const url = `postgres://${USER}:${PASSWORD}@127.0.0.1:${port}/postgres`;
  // Its processes die with a machine's power only in theory: without fsync a test of that costs no disk.
  const settings = ["listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off", "logging_collector=off"];
  let server: ChildProcess;
  let exited: Promise<unknown>;

  const removeData = () => rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
  const start = async () => {
    for (const latest = Date.now() + START_TIMEOUT; Date.now() < latest; ) {
      const args = ["-D", data, "-p", String(port), ...settings.flatMap((setting) => ["-c", setting])];
      server = spawnTied(join(programs, "postgres"), args, { ...as, stdio: "ignore" }, removeData);
      exited = once(server, "exit");
      const ended = exited.then(() => false);
      for (;;) {
        if (await Promise.race([answers(url), ended])) return;
        // Right after a kill, processes of the life before may still hold its memory.
        if (server.exitCode !== null || server.signalCode !== null) break;
        await setTimeout(RETRY);
      }
      await setTimeout(RETRY);
    }
    throw new Error(`PostgreSQL does not start in ${folder}`);
  };
  const end = async (signal: NodeJS.Signals) => {
    // SIGINT is its "fast": connections are cut, data is written.
    server.kill(signal);
    await exited;
  };
  await start();
  return {
    url,
    port,
    stop: () => end("SIGINT"),
    kill: () => end("SIGKILL"),
    start,
    query: (sql) => ask(url, sql),
    async close() {
      await end("SIGINT");
      await rm(folder, { recursive: true, force: true, maxRetries: 10 });
    },
  };
}

async function ask(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  client.on("error", () => undefined);
  await client.connect();
  try {
    const result = await client.query(sql);
    return (Array.isArray(result) ? result.at(-1) : result).rows;
  } finally {
    await client.end();
  }
}

async function answers(url: string): Promise<boolean> {
  return ask(url, "select 1").then(
    () => true,
    () => false,
  );
}

/** Where PostgreSQL's programs are: on the path, or where Debian puts those of each version. */
function programFolder(): string {
  const debian = "/usr/lib/postgresql";
  const versions = existsSync(debian) ? readdirSync(debian).sort((a, b) => Number(b) - Number(a)) : [];
  const folders = [
    ...(process.env.PATH ?? "").split(delimiter),
    ...versions.map((version) => join(debian, version, "bin")),
  ];
  const found = folders.find((folder) => existsSync(join(folder, "initdb")) && existsSync(join(folder, "postgres")));
  if (found === undefined) {
    throw new HedgeError("usage", "PostgreSQL is not installed.", "Install it: apt-get install postgresql.");
  }
  return found;
}

/** Undefined where this process is nobody special already. */
async function unprivileged(): Promise<{ uid: number; gid: number } | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const users = (await readFile("/etc/passwd", "utf8")).split("\n").map((line) => line.split(":"));
  const user = ["postgres", "nobody"].flatMap((name) => users.find(([found]) => found === name) ?? []);
  return { uid: Number(user[2]), gid: Number(user[3]) };
}

function run(
  program: string,
  args: readonly string[],
  options: { uid?: number; gid?: number; cwd: string },
): Promise<void> {
  return new Promise((resolve, reject) => {
    execFile(program, args, options, (error, _stdout, stderr) => {
      if (error) reject(new Error(`${program} failed: ${stderr}`, { cause: error }));
      else resolve();
    });
  });
}
