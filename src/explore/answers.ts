/** What an implementation of the edge part answers to a set of samples, and how two of them agree. */
import { argMax, ENTROPY_TOLERANCE, entropyOf } from "./entropy.ts";

/** Row i belongs to sample i. */
export interface Answers {
  readonly count: number;
  readonly classes: number;
  /** The exit's label. */
  readonly labels: Uint16Array;
  /** 1: answered on the device. */
  readonly exited: Uint8Array;
  /** Nats. */
  readonly entropies: Float64Array;
  /** The exit's logits, [count, classes]. */
  readonly logits: Float64Array;
  /** Bytes of one packed payload; 0 for an edge-only model. */
  readonly payloadBytes: number;
  /** Packed payloads, [count, payloadBytes]; only rows with `hasPayload` count. */
  readonly payloads: Uint8Array;
  readonly hasPayload: Uint8Array;
}

export function emptyAnswers(count: number, classes: number, payloadBytes: number): Answers {
  return {
    count,
    classes,
    labels: new Uint16Array(count),
    exited: new Uint8Array(count),
    entropies: new Float64Array(count),
    logits: new Float64Array(count * classes),
    payloadBytes,
    payloads: new Uint8Array(count * payloadBytes),
    hasPayload: new Uint8Array(count),
  };
}

/** Fills row `i` from the exit's logits: label, entropy and decision in float64. */
export function decide(answers: Answers, i: number, logits: ArrayLike<number>, threshold: number): void {
  const entropy = entropyOf(logits);
  answers.logits.set(logits, i * answers.classes);
  answers.labels[i] = argMax(logits);
  answers.entropies[i] = entropy;
  answers.exited[i] = entropy < threshold ? 1 : 0;
}

export function setPayload(answers: Answers, i: number, payload: Uint8Array): void {
  answers.payloads.set(payload, i * answers.payloadBytes);
  answers.hasPayload[i] = 1;
}

export function payloadOf(answers: Answers, i: number): Uint8Array {
  return answers.payloads.subarray(i * answers.payloadBytes, (i + 1) * answers.payloadBytes);
}

export function logitsOf(answers: Answers, i: number): Float64Array {
  return answers.logits.subarray(i * answers.classes, (i + 1) * answers.classes);
}

/** Samples on which two implementations say the same; of each kind out of `samples`, but payloads out of `comparedPayloads`. */
export interface Agreement {
  readonly samples: number;
  readonly labels: number;
  readonly logits: number;
  readonly decisions: number;
  /** Differing decisions with |entropy - threshold| below the entropy's stated error: allowed. */
  readonly closeDecisions: number;
  readonly comparedPayloads: number;
  readonly payloads: number;
  /** Largest difference of entropies in nats. */
  readonly entropyError: number;
}

/** Compares the first `mine.count` samples; entropies of `truth` decide what is close to the threshold. */
export function compareAnswers(mine: Answers, truth: Answers, threshold: number): Agreement {
  const count = { labels: 0, logits: 0, decisions: 0, closeDecisions: 0, comparedPayloads: 0, payloads: 0 };
  let entropyError = 0;
  for (let i = 0; i < mine.count; i++) {
    if (mine.labels[i] === truth.labels[i]) count.labels++;
    if (equal(logitsOf(mine, i), logitsOf(truth, i))) count.logits++;
    entropyError = Math.max(entropyError, Math.abs(mine.entropies[i]! - truth.entropies[i]!));
    if (mine.exited[i] === truth.exited[i]) count.decisions++;
    else if (Math.abs(truth.entropies[i]! - threshold) < ENTROPY_TOLERANCE) count.closeDecisions++;
    if (mine.hasPayload[i] && truth.hasPayload[i]) {
      count.comparedPayloads++;
      if (equal(payloadOf(mine, i), payloadOf(truth, i))) count.payloads++;
    }
  }
  return { samples: mine.count, ...count, entropyError };
}

/** Samples on which everything is the same to the bit: label, decision, entropy, logits, payload (whether there is one, too). */
export function countIdentical(a: Answers, b: Answers): { samples: number; identical: number } {
  const samples = Math.min(a.count, b.count);
  let identical = 0;
  for (let i = 0; i < samples; i++) {
    const same =
      a.labels[i] === b.labels[i] &&
      a.exited[i] === b.exited[i] &&
      a.entropies[i] === b.entropies[i] &&
      a.hasPayload[i] === b.hasPayload[i] &&
      equal(logitsOf(a, i), logitsOf(b, i)) &&
      equal(payloadOf(a, i), payloadOf(b, i));
    if (same) identical++;
  }
  return { samples, identical };
}

function equal(a: ArrayLike<number>, b: ArrayLike<number>): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
