/** The line under a link: a serial device, or a socket that stands for one. */
import { execFile } from "node:child_process";
import { close, constants, open } from "node:fs";
import { connect, type NetConnectOpts, type Socket } from "node:net";
import { ReadStream } from "node:tty";
import { promisify } from "node:util";
import { HedgeError } from "../errors.ts";

export type LineAddress =
  | { readonly by: "serial"; readonly path: string; readonly baud: number }
  | { readonly by: "socket"; readonly to: NetConnectOpts };

const DEFAULT_BAUD = 115_200;

/**
 * @param text `serial:/dev/ttyACM0` (with `@115200` behind it for another speed than that), `tcp:host:port` or `unix:path`
 * @throws HedgeError (usage) for anything else
 */
export function parseLine(text: string): LineAddress {
  const serial = /^serial:(\/[^@]+)(?:@(\d{3,8}))?$/.exec(text);
  if (serial) return { by: "serial", path: serial[1]!, baud: Number(serial[2] ?? DEFAULT_BAUD) };
  const tcp = /^tcp:(.+):(\d{1,5})$/.exec(text);
  const port = Number(tcp?.[2]);
  if (tcp && port > 0 && port < 65536) return { by: "socket", to: { host: tcp[1]!, port } };
  const unix = /^unix:(.+)$/.exec(text);
  if (unix) return { by: "socket", to: { path: unix[1]! } };
  throw new HedgeError(
    "usage",
    `${JSON.stringify(text)} is not the address of a link.`,
    "Give one such as serial:/dev/ttyACM0, serial:/dev/ttyUSB0@115200, tcp:127.0.0.1:4000 or unix:/run/board.sock.",
  );
}

/** Opens the line; rejects with the system's error. */
export function openLine(address: LineAddress): Promise<Socket> {
  return address.by === "serial" ? openSerial(address.path, address.baud) : openSocket(address.to);
}

function openSocket(to: NetConnectOpts): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(to);
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.off("error", reject);
      socket.setNoDelay(true);
      resolve(socket);
    });
  });
}

/** Speed and raw mode are set by stty, which every Unix has; Node has no call for them. */
async function openSerial(path: string, baud: number): Promise<Socket> {
  // Non-blocking: a modem line that is not there must not hold up the open.
  const fd = await promisify(open)(path, constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK);
  try {
    const settings = ["raw", "-echo", "clocal", "-hupcl", "-crtscts", "min", "1", "time", "0", String(baud)];
    await promisify(execFile)("stty", ["-F", path, ...settings]);
    return new ReadStream(fd);
  } catch (cause) {
    await promisify(close)(fd);
    const { stderr } = cause as { stderr?: string };
    throw new Error(stderr?.trim() || (cause as Error).message, { cause });
  }
}
