import fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import { model, node, value } from "../import/onnx/build.ts";
import { encodeModel } from "../import/onnx/codec.ts";
import { type PayloadLayout, payloadBytes, unpackPayload } from "../wire/payload.ts";
import { type CloudModel, Member } from "./member.ts";

let member: Member;
beforeAll(async () => {
  member = new Member({ runTime: 600_000, memory: 2 ** 32 });
  await member.ready();
});
afterAll(() => member.kill());

/** A model that gives the values that it is given. */
function echo(id: number, layout: PayloadLayout): CloudModel {
  const onnx = encodeModel(
    model({
      nodes: [node("Flatten", ["cut"], ["logits"])],
      inputs: [value("cut", ["batch", ...layout.shape])],
      outputs: [value("logits", ["batch", layout.shape.reduce((a, b) => a * b)])],
    }),
  );
  const payload = { ...layout, tensor: "cut", shape: [...layout.shape], bytes: payloadBytes(layout) };
  return { id, digest: "", name: "echo", onnx, input: "cut", output: "logits", payload };
}

it("processes unpack payloads as the wire's codec does", async () => {
  let id = 0;
  const layouts = fc.record({
    shape: fc.tuple(fc.integer({ min: 1, max: 19 }), fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 5 })),
    bits: fc.constantFrom(1 as const, 2 as const, 4 as const, 8 as const),
    scale: fc.constantFrom(1, 0.5, 0.1, 3),
    offset: fc.constantFrom(0, -2, -0.5, 0.3),
  });
  await fc.assert(
    fc.asyncProperty(
      layouts,
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: 0, max: 3 }),
      async (layout, count, more) => {
        const cloud = echo(id++, layout);
        const { bytes } = cloud.payload;
        const payloads = Array.from({ length: count }, (_, i) =>
          Uint8Array.from({ length: bytes }, (_, at) => (id * 61 + i * 113 + at * 29) & 0xff),
        );
        const rows = await member.run(cloud, payloads, count + more);
        expect(rows).toEqual(payloads.map((payload) => unpackPayload(layout, payload)));
        // A smaller batch after a larger one, in the same memory.
        expect(await member.run(cloud, payloads.slice(0, 1), 1)).toEqual([unpackPayload(layout, payloads[0]!)]);
        member.drop(cloud);
      },
    ),
    { numRuns: 60 },
  );
});
