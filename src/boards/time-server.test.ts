import { createSocket } from "node:dgram";
import { once } from "node:events";
import { expect, it } from "vitest";
import { sntpAnswer, startTimeServer } from "./time-server.ts";

const CLIENT_V4 = 0x23;

function request(first = CLIENT_V4): Buffer {
  const packet = Buffer.alloc(48);
  packet[0] = first;
  packet.write("whenSent", 40, "latin1");
  return packet;
}

it("tells the time over UDP, and echoes when the client sent", async () => {
  const server = await startTimeServer(() => 1_000_000_000_500);
  const client = createSocket("udp4");
  client.send(request(), server.port, "127.0.0.1");
  const [answer] = (await once(client, "message")) as [Buffer];
  client.close();
  await server.close();
  expect(answer).toHaveLength(48);
  // Version 4, a server; its clock is set.
  expect([answer[0], answer[1]]).toEqual([0x24, 1]);
  expect(answer.toString("latin1", 24, 32)).toBe("whenSent");
  for (const field of [32, 40]) {
    expect(answer.readUInt32BE(field)).toBe(1_000_000_000 + 2_208_988_800);
    expect(answer.readUInt32BE(field + 4)).toBe(2 ** 31);
  }
});

it.each([
  ["shorter than a packet", request().subarray(1)],
  ["a server's own answer", request(0x24)],
])("says nothing to what is %s", (_, packet) => {
  expect(sntpAnswer(packet, 0)).toBeUndefined();
});

it("counts on when the seconds from 1900 no longer fit 32 bits", () => {
  expect(sntpAnswer(request(), (2 ** 32 - 2_208_988_800 + 5) * 1000)!.readUInt32BE(40)).toBe(5);
});
