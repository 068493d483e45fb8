import { expect, it } from "vitest";
import { decodeOffload, type Offload } from "../../wire/frames.ts";
import { deviceOf } from "../../wire/topics.ts";
import { fuzz, type HostileMessage, hostileCorpus } from "./corpus.ts";

const valid: Offload = {
  model: "ab".repeat(32),
  session: 1,
  sample: 2,
  deadline: 1_900_000_000_000,
  attempt: 1,
  label: 3,
  entropy: 4_096,
  payload: Uint8Array.from({ length: 300 }, (_, k) => k % 251),
};

/** What a worker would still have to look into: a frame of the schema, from a device. */
function taken({ topic, message }: HostileMessage): Offload | undefined {
  if (deviceOf(topic) === undefined) return undefined;
  try {
    return decodeOffload(message);
  } catch {
    return undefined;
  }
}

it("has nothing that a worker would answer: what is a frame names no model, or has no payload of its size", () => {
  const corpus = hostileCorpus(valid, "d");
  expect(corpus.length).toBeGreaterThan(150);
  const answered = corpus.filter((hostile) => {
    const offload = taken(hostile);
    return offload?.model === valid.model && offload.payload.length === valid.payload.length;
  });
  expect(answered.map(({ what }) => what)).toEqual([]);
});

it("damages frames alike from one seed, and otherwise from another", () => {
  const first = (seed: number) =>
    Array.from(
      { length: 50 },
      (
        (messages) => () =>
          messages.next().value?.message
      )(fuzz(valid, "d", seed)),
    );
  expect(first(1)).toEqual(first(1));
  expect(first(1)).not.toEqual(first(2));
});
