/** What the command line says of a model beside its metadata. */
import { HedgeError } from "../errors.ts";

export interface ExitOption {
  /** The tensor that holds the exit's logits. */
  readonly logits: string;
  readonly rule: "entropy";
  /** Nats. */
  readonly threshold: number;
}

export interface ImportOptions {
  /** The tensor whose values an offloaded sample sends; in place of the metadata's. */
  readonly cut?: string;
  /** In place of the metadata's. */
  readonly exits?: readonly ExitOption[];
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
