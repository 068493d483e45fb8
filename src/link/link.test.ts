/** Links over real lines: sockets, and a serial device with a program at its other end. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { HedgeError } from "../errors.ts";
import { encodeLinkFrame, LINK_CHANNELS, LinkDecoder, type LinkFrame } from "./codec.ts";
import { parseLine } from "./line.ts";
import { type Hello, Link, type LinkOptions } from "./link.ts";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** Something that is told of things, and waits for them. */
function ledger<T>() {
  const entries: T[] = [];
  let wake: () => void = () => undefined;
  return {
    entries,
    add(entry: T) {
      entries.push(entry);
      wake();
    },
    async until(condition: () => boolean) {
      while (!condition()) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
  };
}

type Heard = { frame: [number, string] } | { hello: Hello } | { log: string } | { line: string | undefined };

function openLink(options: Pick<LinkOptions, "address" | "hasBroker">) {
  const heard = ledger<Heard>();
  const link = new Link({
    ...options,
    onFrame: (type, frame) => heard.add({ frame: [type, Buffer.from(frame).toString("hex")] }),
    onHello: (hello) => heard.add({ hello }),
    onLog: (log) => heard.add({ log }),
    onLine: (line) => heard.add({ line }),
  });
  cleanups.push(() => link.close());
  return { link, heard };
}

/** The far end of a socket: what came, and the connection of the moment. */
async function listen(where: number | string) {
  const came = ledger<LinkFrame>();
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    const decoder = new LinkDecoder();
    socket.on("data", (bytes) => decoder.push(bytes).forEach(came.add)).on("error", () => undefined);
    sockets.push(socket);
  });
  if (typeof where === "number") server.listen(where, "127.0.0.1");
  else server.listen(where);
  await once(server, "listening");
  cleanups.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { came, sockets, port: (server.address() as { port: number }).port };
}

const everyByte = Uint8Array.from({ length: 512 }, (_, i) => i & 255);
const hex = Buffer.from(everyByte).toString("hex");
const hello = (flags: number, id: string) =>
  encodeLinkFrame(LINK_CHANNELS.hello, Buffer.concat([Buffer.from([1, flags]), Buffer.from(id)]));

describe("a link's address", () => {
  it("is a serial device, a port or a socket", () => {
    expect(parseLine("serial:/dev/ttyACM0")).toEqual({ by: "serial", path: "/dev/ttyACM0", baud: 115200 });
    expect(parseLine("serial:/dev/ttyUSB1@921600")).toEqual({ by: "serial", path: "/dev/ttyUSB1", baud: 921600 });
    expect(parseLine("tcp:127.0.0.1:4000")).toEqual({ by: "socket", to: { host: "127.0.0.1", port: 4000 } });
    expect(parseLine("unix:/run/board.sock")).toEqual({ by: "socket", to: { path: "/run/board.sock" } });
  });

  it.each([
    "",
    "/dev/ttyACM0",
    "serial:",
    "serial:ttyACM0",
    "tcp:host",
    "tcp:host:0",
    "tcp:host:65536",
    "unix:",
    "x:y",
  ])("is not %j", (text) => {
    expect(() => parseLine(text)).toThrow(HedgeError);
    expect(() => parseLine(text)).toThrow("is not the address of a link");
  });
});

describe("a link", () => {
  it("opens its line again when it was lost, and finds one that comes later", async () => {
    const folder = await mkdtemp(join(tmpdir(), "hedge-link-"));
    cleanups.push(() => rm(folder, { recursive: true }));
    const path = join(folder, "line");
    const { link, heard } = openLink({ address: `unix:${path}` });
    await heard.until(() => heard.entries.length === 1);
    expect(heard.entries[0]).toEqual({ line: expect.stringContaining("ENOENT") });
    expect(link.send(4, everyByte)).toBe(false);

    const far = await listen(path);
    await heard.until(() => far.sockets.length === 1 && heard.entries.length === 2);
    expect(heard.entries[1]).toEqual({ line: undefined });
    far.sockets[0]!.destroy();
    await heard.until(() => far.sockets.length === 2 && heard.entries.length === 4);
    expect(link.send(4, everyByte)).toBe(true);
    await far.came.until(() => far.came.entries.length === 1);
    expect(Buffer.compare(far.came.entries[0]!.content, everyByte)).toBe(0);
  });

  it("takes apart what a device says, and answers one that hears no host, once each time", async () => {
    const far = await listen(0);
    const { heard } = openLink({ address: `tcp:127.0.0.1:${far.port}` });
    await heard.until(() => far.sockets.length === 1 && heard.entries.length === 1);
    const [socket] = far.sockets;
    socket!.write(encodeLinkFrame(LINK_CHANNELS.log, Buffer.from("hot\x1b[2J\xff", "latin1")));
    socket!.write(hello(1, "porch"));
    socket!.write(hello(2, "shed"));
    // Of another version, of a name that is none, of an unknown channel: nobody hears of them.
    socket!.write(encodeLinkFrame(LINK_CHANNELS.hello, Buffer.from([2, 1, 65])));
    socket!.write(hello(3, "a/b"));
    socket!.write(encodeLinkFrame(200, everyByte));
    socket!.write(encodeLinkFrame(5, everyByte));
    await heard.until(() => heard.entries.length === 5);
    expect(heard.entries.slice(1)).toEqual([
      { log: "hot?[2J?" },
      { hello: { id: "porch", isNetwork: true, hearsHost: true } },
      { hello: { id: "shed", isNetwork: false, hearsHost: false } },
      { frame: [5, hex] },
    ]);
    await far.came.until(() => far.came.entries.length === 1);
    const { channel, content } = far.came.entries[0]!;
    expect([channel, content[0], content.length]).toEqual([LINK_CHANNELS.host, 2, 9]);
    expect(Math.abs(Number(Buffer.from(content).readBigUInt64LE(1)) - Date.now())).toBeLessThan(120_000);
  });

  it("tells the device whether the broker is there, at once and again and again", async () => {
    const far = await listen(0);
    let hasBroker = false;
    const { link } = openLink({ address: `tcp:127.0.0.1:${far.port}`, hasBroker: () => hasBroker });
    const flags = () => far.came.entries.map(({ content }) => content[0]);
    await far.came.until(() => flags().length >= 2);
    expect(new Set(flags())).toEqual(new Set([2]));
    hasBroker = true;
    link.speakAsHost();
    await far.came.until(() => flags().includes(3));
  });

  it("takes no more than its bound for a line that is stuck", async () => {
    const far = await listen(0);
    const { link, heard } = openLink({ address: `tcp:127.0.0.1:${far.port}` });
    await heard.until(() => far.sockets.length === 1 && heard.entries.length === 1);
    far.sockets[0]!.pause();
    const large = new Uint8Array(60_000);
    let sent = 0;
    // The system's own buffers take some megabytes, too.
    while (sent < 1000 && link.send(4, large)) sent++;
    expect(sent).toBeLessThan(1000);
    far.sockets[0]!.resume();
    await far.came.until(() => far.came.entries.length === sent);
  });

  it("goes over a serial device, and notices that it was pulled out", async () => {
    // A program on a terminal of its own: the terminal is the device, and what script reads and writes its far end.
    const script = spawn("script", ["-qfc", "stty raw -echo; tty; exec sleep 600", "/dev/null"]);
    cleanups.push(() => script.kill("SIGKILL"));
    const [first] = (await once(script.stdout, "data")) as [Buffer];
    const path = first.toString().trim();
    expect(path).toMatch(/^\/dev\//);
    const came = ledger<LinkFrame>();
    const decoder = new LinkDecoder();
    script.stdout.on("data", (bytes) => decoder.push(bytes).forEach(came.add));

    const { link, heard } = openLink({ address: `serial:${path}` });
    await heard.until(() => heard.entries.length === 1);
    expect(heard.entries).toEqual([{ line: undefined }]);
    expect(link.send(4, everyByte)).toBe(true);
    await came.until(() => came.entries.length === 1);
    expect(Buffer.compare(came.entries[0]!.content, everyByte)).toBe(0);
    script.stdin.write(encodeLinkFrame(5, everyByte));
    await heard.until(() => heard.entries.length === 2);
    expect(heard.entries[1]).toEqual({ frame: [5, hex] });
    script.kill("SIGKILL");
    await heard.until(() => heard.entries.length === 3);
    expect(heard.entries[2]).toEqual({ line: expect.any(String) });
  });
});
