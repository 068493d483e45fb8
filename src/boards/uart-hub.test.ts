import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { afterEach, beforeEach, expect, it } from "vitest";
import { UartHub } from "./uart-hub.ts";

let hub: UartHub;
let heard: Buffer[];
let board: Socket;
const open: Socket[] = [];

async function dial(port: number): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  open.push(socket);
  await once(socket, "connect");
  return socket;
}

/** What comes until a text is there. */
async function until(socket: Socket, end: string): Promise<string> {
  let text = "";
  while (!text.includes(end)) text += ((await once(socket, "data")) as [Buffer])[0].toString("latin1");
  return text;
}

beforeEach(async () => {
  heard = [];
  hub = await UartHub.start((bytes) => heard.push(bytes));
  board = await dial(hub.boardPort);
});
afterEach(() => {
  hub.close();
  for (const socket of open.splice(0)) socket.destroy();
});

it("what the board says goes to every client", async () => {
  const clients = [await dial(hub.clientPort), await dial(hub.clientPort)];
  // A client is there once something of its own came through.
  for (const client of clients) {
    client.write("here\0");
    await until(board, "\0");
  }
  board.write("news\0");
  for (const client of clients) expect(await until(client, "\0")).toBe("news\0");
  expect(Buffer.concat(heard).toString()).toBe("news\0");
});

it("what clients say comes frame by frame, however they are torn", async () => {
  const [one, other] = [await dial(hub.clientPort), await dial(hub.clientPort)];
  one.write("be");
  other.write("other\0");
  expect(await until(board, "\0")).toBe("other\0");
  one.write("gin\0whole\0re");
  expect(await until(board, "whole\0")).toBe("begin\0whole\0");
  one.destroy();
  await once(one, "close");
  other.write("last\0");
  expect(await until(board, "\0")).toBe("last\0");
});

it("a client that never ends a frame is cut off", async () => {
  const client = await dial(hub.clientPort);
  client.on("error", () => undefined).write(Buffer.alloc(1 << 18, 1));
  await new Promise((resolve) => client.on("close", resolve));
});
