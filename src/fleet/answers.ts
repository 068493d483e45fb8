/**
 * What modules and cloud parts answer to samples. Modules are exact: whatever device runs a sample, label, entropy and payload are the same.
 * That is checked here, for every sample that is run; and so one copy of each payload is enough.
 */

import { thresholdWord } from "../engine/edge-engine.ts";
import type { EdgeResult } from "../engine/engine.ts";
import type { Compute, EdgeJob } from "./compute.ts";
import type { LoadedFleet } from "./load.ts";

/** Samples that are computed at a time: enough to keep threads busy, few enough to hold. */
const MOST_UNDER_WAY = 4096;
const UNKNOWN = -1;

/** What a module makes of a sample. */
export interface EdgeAnswer {
  readonly label: number;
  /** 2^-16 nats. */
  readonly entropy: number;
  readonly exited: boolean;
}

/** Of one bundle, by sample. */
interface Known {
  readonly labels: Int32Array;
  readonly entropies: Int32Array;
  readonly payloads: (Uint8Array | undefined)[];
  readonly cloud: (number | Promise<number> | undefined)[];
}

export class Answers {
  readonly #known: readonly Known[];
  #underWay = 0;
  #whenRoom: (() => void) | undefined;

  /** @param once what a bundle made of a sample is remembered instead of run again */
  constructor(
    { samples }: Pick<LoadedFleet, "samples">,
    private readonly compute: Compute,
    private readonly once: boolean,
  ) {
    this.#known = samples.map(({ labels: { length } }) => ({
      labels: new Int32Array(length).fill(UNKNOWN),
      entropies: new Int32Array(length),
      payloads: new Array<Uint8Array | undefined>(length),
      cloud: new Array<number | Promise<number> | undefined>(length),
    }));
  }

  /** The module's, at once where it is known. */
  edge(job: EdgeJob): EdgeAnswer | Promise<EdgeAnswer> {
    const remembered = this.once ? this.#remembered(job) : undefined;
    if (remembered !== undefined) return remembered;
    this.#underWay++;
    const answer = this.compute.run(job).then((result) => this.#take(job, result));
    const done = () => {
      this.#underWay--;
      if (this.#underWay < MOST_UNDER_WAY) this.#whenRoom?.();
    };
    // Who waits for it hears of the error; a device that started again waits no more.
    answer.then(done, done);
    return answer;
  }

  /** The cloud part's label for a sample that was not exited; at once where it is known. */
  cloud(bundle: number, sample: number): number | Promise<number> {
    const { cloud, payloads } = this.#known[bundle]!;
    const known = cloud[sample];
    if (known !== undefined) return known;
    const label = this.compute.finish(bundle, payloads[sample]!);
    cloud[sample] = label;
    label.then(
      (value) => {
        cloud[sample] = value;
      },
      () => undefined,
    );
    return label;
  }

  /** Resolves when no more than so many are under way; undefined where that is so. */
  room(): Promise<void> | undefined {
    if (this.#underWay < MOST_UNDER_WAY) return undefined;
    return new Promise((resolve) => {
      this.#whenRoom = resolve;
    });
  }

  #remembered({ bundle, sample, threshold }: EdgeJob): EdgeAnswer | undefined {
    const { labels, entropies, payloads } = this.#known[bundle]!;
    const [label, entropy] = [labels[sample]!, entropies[sample]!];
    if (label === UNKNOWN) return undefined;
    const exited = entropy < thresholdWord(threshold);
    // At another threshold it may have ended before its payload was packed.
    return exited || payloads[sample] ? { label, entropy, exited } : undefined;
  }

  #take({ bundle, sample, device }: EdgeJob, { label, entropy, exited, payload }: EdgeResult): EdgeAnswer {
    const { labels, entropies, payloads } = this.#known[bundle]!;
    const known = payloads[sample];
    const seen = labels[sample] !== UNKNOWN;
    const differs = seen && (labels[sample] !== label || entropies[sample] !== entropy);
    if (differs || (known && payload && Buffer.compare(known, payload) !== 0))
      throw new Error(`Device ${device} computes something else of sample ${sample} than another did.`);
    labels[sample] = label;
    entropies[sample] = entropy;
    payloads[sample] ??= payload;
    return { label, entropy, exited };
  }
}
