/**
 * What becomes of samples when something between a board and its worker fails: the broker, the Ethernet, the worker, the gateway. The board is operated
 * over its UART meanwhile, so that samples go on coming.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { RemoteDevice } from "../../remote/remote-device.ts";
import type { Description } from "../../wire/device-frames.ts";
import type { ExpectedRun } from "./expected.ts";
import { bytesOf, flawsOf } from "./identity.ts";
import type { Lab } from "./lab.ts";

export interface Fault {
  /** Something fails. Resolves once the board is on its own. */
  readonly strike: () => Promise<unknown>;
  /** It is there again. */
  readonly mend: () => Promise<unknown>;
}

export interface Recovery {
  /** Milliseconds from the mending until all samples had their answers. */
  readonly ms: number;
  /** A sentence per answer that is not the cloud's, or not what it should be. */
  readonly flaws: readonly string[];
  /** Of the board, behind it. */
  readonly counts: Description["counts"];
}

/** Samples that wait for the cloud in a board, of all variants but small. */
const HELD = 4;
/** Samples that are in a board then: one waits for a place among these, and one to be run. */
export const WAITING = HELD + 2;
/** Milliseconds between looks at the board. */
const LOOK = 100;

/**
 * Lets a fault strike, gives the board more samples than it can offer, and mends the fault after so many milliseconds, or when the board is full.
 * @param run WAITING samples, of which the exit is sure of none
 */
export async function survive(lab: Lab, run: ExpectedRun, fault: Fault, milliseconds = 0): Promise<Recovery> {
  const { device, emulator } = lab;
  await device.setThreshold(run.threshold);
  const before = (await device.describe()).counts.offloaded;
  // One for each sample: an operator lets few be on their way.
  const operators = await Promise.all(run.samples.map(() => RemoteDevice.overLink(emulator.uart)));
  try {
    await fault.strike();
    const struck = Date.now();
    const answers = Promise.all(run.samples.map(({ image }, i) => operators[i]!.sample(bytesOf(image))));
    // Awaited below; a rejection must not count as unhandled until then.
    answers.catch(() => undefined);
    while ((await device.describe()).counts.offloaded < before + HELD) await sleep(LOOK);
    await sleep(struck + milliseconds - Date.now());
    await fault.mend();
    const mended = Date.now();
    const flaws = (await answers).flatMap((answer, i) =>
      flawsOf(answer, run.samples[i]!).map((flaw) => `sample ${i}: ${flaw}`),
    );
    return { ms: Date.now() - mended, flaws, counts: (await device.describe()).counts };
  } finally {
    for (const operator of operators) await operator.close();
  }
}

/** Samples of which the counts do not say what became; 0 when nothing is on its way. */
export function unaccounted({ samples, exited, answered, unconfirmed }: Description["counts"]): number {
  return samples - exited - answered - unconfirmed;
}
