/**
 * What happens in a worker, as lines of its log. The message of a line is the name of the event, which stays the same from version to
 * version; what it is about stands in its fields.
 */
import type { Logger } from "pino";
import type { DeadLetter } from "../wire/frames.ts";
import type { Observer } from "./observer.ts";

/** Dead letters that get a line of their own in a second; who sends rubbish must not fill a disk. */
const LETTERS_PER_SECOND = 10;

export function logEvents(log: Logger): Observer {
  const dead = limited(log);
  return {
    dead,
    served: ({ device, model, sample, attempt, as, label, ms }) => {
      log.debug({ device, model: model.slice(0, 12), sample, attempt, as, label, ms: Math.round(ms) }, "served");
    },
    batch: ({ failed, model, size }) => {
      if (failed) log.warn({ model: model.slice(0, 12), size }, "batch failed");
    },
    model: ({ what, digest, name, ms, sentence }) => {
      const level = what === "failed" ? "warn" : "info";
      log[level](
        { model: digest.slice(0, 12), modelName: name, ms: Math.round(ms), sentence: sentence || undefined },
        `model ${what}`,
      );
    },
  };
}

function limited(log: Logger): (letter: DeadLetter, at: number) => void {
  let second = 0;
  let count = 0;
  return ({ device, reason, size, sentence }, at) => {
    const now = Math.floor(at / 1000);
    if (now !== second) {
      if (count > LETTERS_PER_SECOND) log.warn({ count: count - LETTERS_PER_SECOND }, "dead letters not logged");
      second = now;
      count = 0;
    }
    if (++count <= LETTERS_PER_SECOND) log.warn({ device, reason, size, sentence }, "dead letter");
  };
}
