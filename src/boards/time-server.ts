/** The time of day for an emulated board: answers SNTP (RFC 4330) on the host's loopback. */
import { createSocket } from "node:dgram";
import { once } from "node:events";

const PACKET_BYTES = 48;
/** Mode, in the low bits of the first byte. */
const CLIENT = 3;
const SERVER = 4;
/** Seconds from 1900, where NTP counts from, to 1970. */
const NTP_EPOCH = 2_208_988_800;

export interface TimeServer {
  readonly port: number;
  close(): Promise<void>;
}

export async function startTimeServer(now: () => number = Date.now): Promise<TimeServer> {
  const socket = createSocket("udp4");
  socket.on("message", (request, { port, address }) => {
    const answer = sntpAnswer(request, now());
    if (answer) socket.send(answer, port, address);
  });
  // A client that is gone already is no reason to end.
  socket.on("error", () => undefined);
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  return {
    port: socket.address().port,
    close: async () => {
      socket.close();
      await once(socket, "close");
    },
  };
}

/** @returns undefined for what is no client's request */
export function sntpAnswer(request: Uint8Array, epochMs: number): Buffer | undefined {
  if (request.length < PACKET_BYTES || (request[0]! & 7) !== CLIENT) return undefined;
  const answer = Buffer.alloc(PACKET_BYTES);
  // The client's version; stratum 1: a clock of its own, which its name says.
  answer[0] = (request[0]! & 0x38) | SERVER;
  answer[1] = 1;
  answer.write("LOCL", 12, "ascii");
  const seconds = Math.floor(epochMs / 1000);
  for (const field of [16, 32, 40]) {
    answer.writeUInt32BE((seconds + NTP_EPOCH) % 2 ** 32, field);
    answer.writeUInt32BE(Math.floor(((epochMs % 1000) / 1000) * 2 ** 32), field + 4);
  }
  // The client knows its answer by its own time of sending.
  answer.set(request.subarray(40, 48), 24);
  return answer;
}
