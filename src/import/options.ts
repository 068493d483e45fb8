/** What the command line says of a model beside its metadata. */
import { HedgeError } from "../errors.ts";

export interface ExitOption {
  /** The tensor that holds the exit's logits. */
  readonly logits: string;
  readonly rule: "entropy";
  /** Nats. */
  readonly threshold: number;
}

/** How an image or a sensor's reading enters: a byte b of 0 ... 255 stands for (b - zero) * step. */
export interface InputOption {
  readonly zero: number;
  readonly step: number;
}

export interface ImportOptions {
  /** The tensor whose values an offloaded sample sends; in place of the metadata's. */
  readonly cut?: string;
  /** In place of the metadata's. */
  readonly exits?: readonly ExitOption[];
  /** Of models without metadata; where absent the input's quantiser says it. */
  readonly input?: InputOption;
}

/**
 * Reads `128:1/64` or `0:0.00392`: the byte that stands for zero, and what a step is worth.
 * @throws HedgeError (usage)
 */
export function parseInput(text: string): InputOption {
  const [, byte, dividend, divisor = "1"] = /^(\d+):([^/]+)(?:\/([^/]+))?$/.exec(text) ?? [];
  const [zero, step] = [Number(byte), Number(dividend) / Number(divisor)];
  if (!(zero <= 255) || !(step > 0 && step < Number.POSITIVE_INFINITY))
    throw new HedgeError(
      "usage",
      `${JSON.stringify(text)} does not say how the input enters.`,
      "Write --input ZERO:STEP, the byte that stands for zero and what a step is worth, such as --input 128:1/64.",
    );
  return { zero, step };
}

/**
 * Reads `TENSOR:entropy:0.5`. A tensor's name may hold colons itself.
 * @throws HedgeError (usage)
 */
export function parseExit(text: string): ExitOption {
  const [, logits, rule, number] = /^(.+):([^:]*):([^:]*)$/.exec(text) ?? [];
  const threshold = Number(number);
  if (!logits || rule !== "entropy" || !number?.trim() || !(threshold >= 0 && threshold < Number.POSITIVE_INFINITY))
    throw new HedgeError(
      "usage",
      `${JSON.stringify(text)} does not say an exit.`,
      "Write --exit TENSOR:entropy:THRESHOLD, the threshold in nats, such as --exit logits:entropy:0.5.",
    );
  return { logits, rule, threshold };
}
