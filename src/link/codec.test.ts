import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodeLinkFrame, LINK_CONTENT_LIMIT, LinkDecoder, type LinkFrame } from "./codec.ts";

/** Content with runs of zeros and of other bytes around the 254 that a COBS block holds. */
const content = fc
  .array(
    fc.oneof(
      fc.uint8Array({ maxLength: 20 }),
      fc.integer({ min: 250, max: 258 }).map((length) => new Uint8Array(length).fill(7)),
      fc.integer({ min: 1, max: 4 }).map((length) => new Uint8Array(length)),
    ),
    { maxLength: 6 },
  )
  .map((parts) => new Uint8Array(Buffer.concat(parts)));
const frame: fc.Arbitrary<LinkFrame> = fc.record({ channel: fc.integer({ min: 0, max: 255 }), content });

const plain = (frames: readonly LinkFrame[]) => frames.map(({ channel, content }) => [channel, ...content]);
const encode = ({ channel, content }: LinkFrame) => encodeLinkFrame(channel, content);

describe("the link's codec", () => {
  it("gives frames back however the line cuts them", () => {
    fc.assert(
      fc.property(
        fc.array(frame, { maxLength: 5 }),
        fc.array(fc.nat({ max: 300 }), { maxLength: 20 }),
        (sent, cuts) => {
          const line = Buffer.concat(sent.map(encode));
          const decoder = new LinkDecoder();
          const got: LinkFrame[] = [];
          let at = 0;
          for (const cut of cuts) {
            got.push(...decoder.push(line.subarray(at, at + cut)));
            at += cut;
          }
          got.push(...decoder.push(line.subarray(at)));
          expect(plain(got)).toEqual(plain(sent));
          expect(decoder.damaged).toBe(0);
        },
      ),
    );
  });

  it("puts no zero on the line but at a frame's end", () => {
    fc.assert(
      fc.property(frame, (sent) => {
        const line = encode(sent);
        expect(line.indexOf(0)).toBe(line.length - 1);
        expect(line.length).toBeLessThanOrEqual(sent.content.length + 7 + Math.floor((sent.content.length + 5) / 254));
      }),
    );
  });

  it("is CRC-32 and COBS as everybody's: a known frame", () => {
    // CRC-32 of 04 31 00 32 is 43 58 96 6c, written from its lowest byte.
    const check = [0x6c, 0x96, 0x58, 0x43];
    expect([...encodeLinkFrame(4, Buffer.from([0x31, 0, 0x32]))]).toEqual([3, 4, 0x31, 6, 0x32, ...check, 0]);
  });

  it("drops a frame with any byte changed, and takes the next one", () => {
    fc.assert(
      fc.property(frame, frame, fc.nat(), fc.integer({ min: 1, max: 255 }), (bad, good, at, change) => {
        const line = encode(bad);
        // The last byte is the mark between the two.
        const place = at % (line.length - 1);
        line[place] = (line[place] as number) ^ change;
        const decoder = new LinkDecoder();
        const got = decoder.push(Buffer.concat([line, encode(good)]));
        expect(plain(got)).toEqual(plain([good]));
        expect(decoder.damaged).toBeGreaterThan(0);
      }),
    );
  });

  it("finds the next frame behind noise and behind one that was torn", () => {
    fc.assert(
      fc.property(frame, fc.nat(), fc.uint8Array({ maxLength: 400 }), frame, (torn, cut, noise, good) => {
        const line = encode(torn);
        const decoder = new LinkDecoder();
        decoder.push(line.subarray(0, cut % (line.length - 1)));
        const got = decoder.push(Buffer.concat([noise, Buffer.from([0]), encode(good)]));
        expect(plain(got.slice(-1))).toEqual(plain([good]));
        expect(got).toHaveLength(1);
      }),
    );
  });

  it("keeps no more than a frame, whatever comes without an end", () => {
    const decoder = new LinkDecoder();
    const noise = new Uint8Array(1 << 16).fill(1);
    for (let i = 0; i < 256; i++) expect(decoder.push(noise)).toEqual([]);
    expect(decoder.push(Buffer.from([0]))).toEqual([]);
    expect(decoder.damaged).toBe(1);
    const largest = { channel: 1, content: new Uint8Array(LINK_CONTENT_LIMIT).fill(9) };
    expect(plain(decoder.push(encode(largest)))).toEqual(plain([largest]));
  });
});
