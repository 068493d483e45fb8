/**
 * What a worker tells those who watch it: metrics, the history, logs. Watchers are called on the thread that serves MQTT, so they take
 * note and return; nothing that they do may hold up or fail an answer.
 */
import type { DeadLetter, ResultState } from "../wire/frames.ts";

/** Why a sample has the state it has, finer than the wire says. */
export type ServedAs =
  /** Run through the cloud part. */
  | "answered"
  /** Offered again: answered as before, without a run. */
  | "repeated"
  /** Its deadline passed before it came, or before its turn. */
  | "expired"
  /** A dead letter says why. */
  | "refused"
  /** Beyond its device's quota. */
  | "limited";

/** One offload frame and what the worker made of it. */
export interface ServedSample {
  /** When the frame came in: milliseconds from the epoch. */
  readonly at: number;
  readonly device: string;
  /** Digest of the bundle. */
  readonly model: string;
  readonly session: number;
  readonly sample: number;
  readonly attempt: number;
  readonly deadline: number;
  /** The edge exit's answer, and its entropy in 2^-16 nats. */
  readonly edgeLabel: number;
  readonly entropy: number;
  readonly payloadBytes: number;
  readonly as: ServedAs;
  readonly state: ResultState;
  readonly label: number;
  readonly confidence: number;
  readonly worker: string;
  /** From receipt to answer in milliseconds, not rounded. */
  readonly ms: number;
}

/** A batch that was run, or that failed. */
export interface BatchRun {
  readonly model: string;
  readonly size: number;
  /** Milliseconds that its first sample waited for its turn. */
  readonly queueMs: number;
  /** Milliseconds in onnxruntime, with the way there and back. */
  readonly runMs: number;
  readonly failed: boolean;
}

/** A model that was loaded from the bundle store, or let go. */
export interface ModelEvent {
  readonly at: number;
  readonly digest: string;
  readonly name: string;
  readonly what: "loaded" | "evicted" | "failed";
  /** Of loading. */
  readonly ms: number;
  readonly sentence: string;
}

export interface Observer {
  served?(sample: ServedSample): void;
  batch?(run: BatchRun): void;
  dead?(letter: DeadLetter, at: number): void;
  model?(event: ModelEvent): void;
}

/** Tells each of them; one that throws is told to `onError` and does not keep the others from hearing. */
export function observeAll(observers: readonly Observer[], onError: (error: unknown) => void): Required<Observer> {
  const tell = (call: (observer: Observer) => void) => {
    for (const observer of observers) {
      try {
        call(observer);
      } catch (error) {
        onError(error);
      }
    }
  };
  return {
    served: (sample) => tell((observer) => observer.served?.(sample)),
    batch: (run) => tell((observer) => observer.batch?.(run)),
    dead: (letter, at) => tell((observer) => observer.dead?.(letter, at)),
    model: (event) => tell((observer) => observer.model?.(event)),
  };
}
