/** The device's end of the link against the host's: what one writes the other reads, and damage stays without effect. */

import { spawnSync } from "node:child_process";
import { crc32 } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodeLinkFrame, LINK_CHANNELS, LinkDecoder, type LinkFrame } from "../../src/link/codec.ts";
import { runProgram, unitProgram } from "../support/firmware.ts";

const SOURCES = ["core/link.c", "core/log.c"];
const echoProgram = unitProgram("link_echo", SOURCES);

/** What the device sends back for what is put on its line, and what else it says. */
async function echo(line: Uint8Array) {
  const { status, stdout, stderr } = spawnSync(await echoProgram, { input: line, maxBuffer: 1 << 28 });
  expect(stderr.toString()).toBe("");
  expect(status).toBe(0);
  const decoder = new LinkDecoder();
  const frames = decoder.push(stdout);
  const isOwn = ({ channel }: LinkFrame) => channel > 31;
  const log = frames.filter(({ channel }) => channel === LINK_CHANNELS.log).map(({ content }) => `${content}`);
  return { frames: frames.filter((frame) => !isOwn(frame)), own: frames.filter(isOwn), log, damaged: decoder.damaged };
}

/** In few words: what differs is printed. */
const digests = (frames: readonly LinkFrame[]) =>
  frames.map(({ channel, content }) => `${channel} ${content.length} ${crc32(content)}`);
const encode = ({ channel, content }: LinkFrame) => encodeLinkFrame(channel, content);

/** Contents of all kinds of sizes, with and without zeros, with runs around the 254 bytes of a block. */
const content = fc
  .array(
    fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc.integer({ min: 250, max: 258 }).map((length) => new Uint8Array(length).fill(7)),
      fc.integer({ min: 500, max: 900 }).map((length) => new Uint8Array(length).map((_, i) => i * 7)),
      fc.integer({ min: 1, max: 4 }).map((length) => new Uint8Array(length)),
    ),
    { maxLength: 6 },
  )
  .map((parts) => new Uint8Array(Buffer.concat(parts)));
const frame: fc.Arbitrary<LinkFrame> = fc.record({ channel: fc.integer({ min: 1, max: 30 }), content });

/** What is on the line, and whether a frame of it is whole. */
const piece = fc.oneof(
  { weight: 4, arbitrary: frame.map((sent) => ({ line: encode(sent), sent })) },
  // A byte changed, which may well make two frames of it; torn; noise.
  fc.tuple(frame, fc.nat(), fc.integer({ min: 1, max: 255 })).map(([sent, at, change]) => {
    const line = encode(sent);
    const place = at % (line.length - 1);
    line[place] = (line[place] as number) ^ change;
    return { line, sent: undefined };
  }),
  fc.tuple(frame, fc.nat()).map(([sent, cut]) => {
    const line = encode(sent);
    return { line: Buffer.concat([line.subarray(0, cut % (line.length - 1)), Buffer.from([0])]), sent: undefined };
  }),
  fc
    .uint8Array({ maxLength: 300 })
    .map((noise) => ({ line: Buffer.concat([noise, Buffer.from([0])]), sent: undefined })),
);

describe("the link", () => {
  it("brings 4,000 frames there and back among damaged ones, whatever pieces the UART makes of them", async () => {
    const pieces = fc.sample(piece, 7_000);
    const whole = pieces.flatMap(({ sent }) => (sent ? [sent] : []));
    expect(whole.length).toBeGreaterThan(3_900);
    const { frames, own, damaged, log } = await echo(Buffer.concat(pieces.map(({ line }) => line)));
    expect(digests(frames)).toEqual(digests(whole));
    expect(damaged).toBe(0);
    expect(own.some(({ channel }) => channel === LINK_CHANNELS.hello)).toBe(true);
    expect(
      log.some((line) => /^link: [1-9]\d* damaged or unknown frames dropped, 0 lines of the log lost$/.test(line)),
    ).toBe(true);
  });

  it("brings frames of every size around a block's and the buffer's", async () => {
    const sizes = [...Array(600).keys(), 700, 752, 753, 760, 768, 1000, 2144, 65_792];
    const sent = sizes.flatMap((size) => [
      { channel: 4, content: new Uint8Array(size).fill(1) },
      { channel: 5, content: new Uint8Array(size).map((_, i) => (i % 254 === 253 ? 0 : 3)) },
    ]);
    const { frames, damaged } = await echo(Buffer.concat(sent.map(encode)));
    expect(digests(frames)).toEqual(digests(sent));
    expect(damaged).toBe(0);
  });

  it("shows a large frame that was changed on its way out as damaged", async () => {
    const spoilt = { channel: 31, content: new Uint8Array(2000).fill(9) };
    const good = { channel: 4, content: new Uint8Array(2000).fill(9) };
    const { frames, damaged } = await echo(Buffer.concat([spoilt, good].map(encode)));
    expect(digests(frames)).toEqual(digests([good]));
    expect(damaged).toBe(1);
  });

  it("keeps its promises about time, room and order", async () => {
    const lines = await runProgram(await unitProgram("link_test", SOURCES));
    expect(lines).toHaveLength(9);
  });
});
