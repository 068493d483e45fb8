import fc from "fast-check";
import { connectAsync } from "mqtt";
import { describe, expect, it } from "vitest";
import { BROKERS } from "../../test/support/brokers.ts";
import { encodeOffload, encodeResult } from "../wire/frames.ts";
import { offloadTopic, resultTopic } from "../wire/topics.ts";
import { ACKNOWLEDGEMENT_BYTES, FrameBytes, publishBytes } from "./frame-bytes.ts";

const MODEL = "ab".repeat(32);
const uint32 = fc.oneof(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 0, max: 0xffffffff }));

describe("sizes of frames", () => {
  it("are what the encoders write", () => {
    const numbers = fc.record({
      session: uint32,
      sample: uint32,
      attempt: fc.integer({ min: 1, max: 70_000 }),
      label: fc.integer({ min: 0, max: 999 }),
      entropy: fc.integer({ min: 0, max: 1 << 20 }),
    });
    fc.assert(
      fc.property(numbers, fc.constantFrom(4, 128, 2048, 65_536), uint32, (fields, payload, ms) => {
        const sizes = new FrameBytes(payload, "worker-1a2b3c");
        const deadline = 1_760_000_000_000;
        const frame = encodeOffload({ model: MODEL, deadline, payload: new Uint8Array(payload), ...fields });
        expect(sizes.offload(7, fields)).toBe(publishBytes(offloadTopic("porch-1").length, frame.length));
        const { session, sample, label } = fields;
        for (const state of ["answered", "expired"] as const) {
          const answered = state === "answered";
          const shown = answered ? label : 0;
          const confidence = answered ? 0.123 : 0;
          const result = {
            model: MODEL,
            session,
            sample,
            state,
            label: shown,
            confidence,
            worker: "worker-1a2b3c",
            ms,
          };
          const expected = publishBytes(resultTopic("porch-1").length, encodeResult(result).length);
          expect(sizes.result(7, answered, session, sample, shown, ms)).toBe(expected);
        }
      }),
    );
  });

  it("are what goes over the line to a broker, and back", async () => {
    const broker = await BROKERS.aedes();
    try {
      const client = await connectAsync(broker.url, { keepalive: 0 });
      try {
        const { bytesWritten, bytesRead } = client.stream as unknown as { bytesWritten: number; bytesRead: number };
        let expected = 0;
        const sizes = [0, 100, 115, 116, 2_000, 16_400, 65_000];
        for (const size of sizes) {
          expected += publishBytes(offloadTopic("porch-12").length, size);
          await client.publishAsync(offloadTopic("porch-12"), Buffer.alloc(size), { qos: 1 });
        }
        const after = client.stream as unknown as { bytesWritten: number; bytesRead: number };
        expect(after.bytesWritten - bytesWritten).toBe(expected);
        expect(after.bytesRead - bytesRead).toBe(sizes.length * ACKNOWLEDGEMENT_BYTES);
      } finally {
        await client.endAsync(true);
      }
    } finally {
      await broker.close();
    }
  });
});
