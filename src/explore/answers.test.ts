import { describe, expect, it } from "vitest";
import { type Answers, compareAnswers, countIdentical, decide, emptyAnswers, setPayload } from "./answers.ts";

const LOGITS = [
  [4, 0, 0],
  [0, 1, 0.5],
  [0.25, 0, 2],
];
const THRESHOLD = 0.75;

function answers(change?: (a: Answers) => void): Answers {
  const out = emptyAnswers(3, 3, 2);
  LOGITS.forEach((logits, i) => {
    decide(out, i, logits, THRESHOLD);
    setPayload(out, i, Uint8Array.of(i, 7));
  });
  change?.(out);
  return out;
}

describe("decide", () => {
  it("takes the label, the entropy and the decision from the logits", () => {
    const { labels, exited, entropies } = answers();
    expect([...labels]).toEqual([0, 1, 2]);
    expect([...exited]).toEqual([1, 0, 1]);
    expect(entropies[0]).toBeCloseTo(0.17732, 4);
  });
  it("keeps a sample on the device below the threshold only", () => {
    const one = emptyAnswers(1, 2, 0);
    decide(one, 0, [0, 0], Math.log(2));
    expect(one.exited[0]).toBe(0);
    decide(one, 0, [0, 0], Math.log(2) + 1e-9);
    expect(one.exited[0]).toBe(1);
  });
});

describe("compareAnswers", () => {
  const all = { samples: 3, labels: 3, logits: 3, decisions: 3, closeDecisions: 0, comparedPayloads: 3, payloads: 3 };
  it("counts what is the same", () => {
    expect(compareAnswers(answers(), answers(), THRESHOLD)).toEqual({ ...all, entropyError: 0 });
  });
  it.each<[string, (a: Answers) => void, object]>([
    ["a label", (a) => a.labels.set([2], 0), { labels: 2 }],
    ["one of the logits", (a) => a.logits.set([9], 4), { logits: 2 }],
    ["a decision far from the threshold", (a) => a.exited.set([0], 0), { decisions: 2 }],
    ["a byte of a payload", (a) => a.payloads.set([9], 3), { payloads: 2 }],
    ["whether there is a payload", (a) => a.hasPayload.set([0], 1), { comparedPayloads: 2, payloads: 2 }],
  ])("notices another value of %s", (_, change, difference) => {
    expect(compareAnswers(answers(change), answers(), THRESHOLD)).toMatchObject({ ...all, ...difference });
    expect(countIdentical(answers(), answers())).toEqual({ samples: 3, identical: 3 });
    expect(countIdentical(answers(change), answers())).toEqual({ samples: 3, identical: 2 });
  });
  it("tells differing decisions at the threshold from others", () => {
    const threshold = answers().entropies[1]! + 0.9e-3;
    const mine = answers((a) => a.exited.set([1], 1));
    expect(compareAnswers(mine, answers(), threshold)).toMatchObject({ decisions: 2, closeDecisions: 1 });
    expect(compareAnswers(mine, answers(), threshold + 0.2e-3)).toMatchObject({ decisions: 2, closeDecisions: 0 });
  });
  it("gives the largest error of an entropy", () => {
    const mine = answers((a) => a.entropies.set([a.entropies[1]! - 0.25], 1));
    expect(compareAnswers(mine, answers(), THRESHOLD).entropyError).toBeCloseTo(0.25, 12);
  });
  it("compares as many samples as there are", () => {
    const few = emptyAnswers(1, 3, 2);
    decide(few, 0, LOGITS[0]!, THRESHOLD);
    expect(compareAnswers(few, answers(), THRESHOLD)).toMatchObject({ samples: 1, labels: 1, comparedPayloads: 0 });
  });
});
