/** Sockets in folders: their paths are limited to about a hundred bytes, which folders of tests and of people exceed. */
import { once } from "node:events";
import { mkdtemp, rm, symlink } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** The smallest limit among systems is 104 bytes, a terminating zero among them. */
const LONGEST_PATH = 100;
/** For a socket whose queue is full, and milliseconds between them. */
const ATTEMPTS = 500;
const PAUSE = 20;

/** Connects to a socket of any path, by way of a short link to its folder where that is needed. */
export async function connectUnix(path: string): Promise<Socket> {
  if (Buffer.byteLength(path) <= LONGEST_PATH) return open(path);
  const folder = await mkdtemp(join(tmpdir(), "hedge-"));
  try {
    const link = join(folder, "s");
    await symlink(resolve(dirname(path)), link);
    return await open(join(link, basename(path)));
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function open(path: string): Promise<Socket> {
  for (let attempt = 1; ; attempt++) {
    const socket = connect(path);
    try {
      await once(socket, "connect");
      return socket;
    } catch (error) {
      // Somebody listens, who has not taken the connections before this one yet.
      const isBusy = (error as NodeJS.ErrnoException).code === "EAGAIN";
      if (!isBusy || attempt === ATTEMPTS) throw error;
      await sleep(PAUSE);
    }
  }
}
