/** Things that happened, for tests. */
import type { ServedSample } from "../../src/cloud/observer.ts";
import type { Answer, Description } from "../../src/wire/device-frames.ts";

export const MODEL = "5e".repeat(32);

export function served(sample: number, changes: Partial<ServedSample> = {}): ServedSample {
  return {
    at: 1_700_000_000_000 + sample,
    device: "porch",
    model: MODEL,
    session: 0xffffffff,
    sample,
    attempt: 1,
    deadline: 1_700_000_010_000,
    edgeLabel: 3,
    entropy: 65_536,
    payloadBytes: 1024,
    as: "answered",
    state: "answered",
    label: 7,
    confidence: 0.75,
    worker: "w1",
    ms: 2.5,
    ...changes,
  };
}

export function answer(changes: Partial<Answer> = {}): Answer {
  return {
    request: 0,
    source: "edge",
    label: 4,
    edgeLabel: 4,
    entropy: 1000,
    attempts: 0,
    micros: 20_000,
    check: 1,
    ...changes,
  };
}

export function description(changes: Partial<Description> = {}): Description {
  const zeros = { samples: 12, exited: 0, offloaded: 0, offered: 0, answered: 0, refused: 0, unconfirmed: 0 };
  return {
    request: 1,
    device: "porch",
    board: "mps2-an386",
    firmware: "0.1.0",
    model: { name: "tiny", digest: MODEL, counter: 4, slot: 1, trial: false },
    uptimeSeconds: 90,
    resetCause: "watchdog",
    counts: { ...zeros, duplicates: 0, invalid: 0, dropped: 0, reconnects: 0 },
    memory: { heapPeak: 1, heapBytes: 2, stackPeak: 3, stackBytes: 4, staticBytes: 5, ramBytes: 6 },
    ...changes,
  };
}
