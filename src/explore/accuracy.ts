/** Accuracy and coverage of a hybrid model; shares of 1. */

export interface HybridAccuracy {
  /** Share of samples answered on the device. */
  readonly coverage: number;
  /** The exit on every sample. */
  readonly exit: number;
  /** The full depth on every sample: what the network does without an early exit. */
  readonly final: number;
  /** Each sample answered where the exit rule sends it. */
  readonly system: number;
  /** Of the samples answered on the device; 0 when there is none. */
  readonly exited: number;
  /** Of the samples answered by the cloud; 0 when there is none. */
  readonly offloaded: number;
}

/** All arrays have one entry per sample; `exited` is 1 where the device answers. */
export function hybridAccuracy(
  truth: ArrayLike<number>,
  exitLabels: ArrayLike<number>,
  finalLabels: ArrayLike<number>,
  exited: ArrayLike<number>,
): HybridAccuracy {
  const total = truth.length;
  let stays = 0;
  let exitRight = 0;
  let finalRight = 0;
  let exitedRight = 0;
  let offloadedRight = 0;
  for (let i = 0; i < total; i++) {
    const byExit = exitLabels[i] === truth[i] ? 1 : 0;
    const byFinal = finalLabels[i] === truth[i] ? 1 : 0;
    exitRight += byExit;
    finalRight += byFinal;
    if (exited[i]) {
      stays++;
      exitedRight += byExit;
    } else offloadedRight += byFinal;
  }
  const share = (part: number, whole: number) => (whole === 0 ? 0 : part / whole);
  return {
    coverage: share(stays, total),
    exit: share(exitRight, total),
    final: share(finalRight, total),
    system: share(exitedRight + offloadedRight, total),
    exited: share(exitedRight, stays),
    offloaded: share(offloadedRight, total - stays),
  };
}
