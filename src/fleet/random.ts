/**
 * Random numbers for a whole fleet from one seed. Each concern of each device has a stream of its own, so that another device, another concern
 * or another draw elsewhere changes nothing in it. Exponential and gamma variates take Math.log and its kin: the same on every machine with the
 * same version of Node, which is what "reproducible" means here.
 *
 * The generator is xoshiro128** of Blackman and Vigna, "Scrambled Linear Pseudorandom Number Generators", 2021.
 */

/** What a device draws random numbers for. */
export const CONCERNS = ["arrivals", "data", "mix", "link", "outages", "clock", "backoff", "life"] as const;
export type Concern = (typeof CONCERNS)[number];

const WORDS = 4;

/** Draws from a number of streams; a stream is known by its place. */
export class Streams {
  readonly #state: Uint32Array;

  /** @param keys one stream for each; equal keys give equal streams */
  constructor(seed: number, count: number, keys: (stream: number) => readonly [text: string, index: number]) {
    this.#state = new Uint32Array(count * WORDS);
    const hashes = new Map<string, number[]>();
    for (let stream = 0; stream < count; stream++) {
      const [text, index] = keys(stream);
      let words = hashes.get(text);
      if (words === undefined) {
        words = Array.from({ length: WORDS }, (_, word) => hash(text, scramble(seed + Math.imul(word, 0x9e3779b9))));
        hashes.set(text, words);
      }
      for (let word = 0; word < WORDS; word++)
        this.#state[stream * WORDS + word] = scramble(words[word]! ^ scramble(index + Math.imul(word + 1, 0x85ebca6b)));
      // The one state that the generator never leaves.
      if (this.#state.subarray(stream * WORDS, (stream + 1) * WORDS).every((word) => word === 0))
        this.#state[stream * WORDS] = 1;
    }
  }

  /** A whole number of 32 bits. */
  word(stream: number): number {
    const s = this.#state;
    const at = stream * WORDS;
    const s1 = s[at + 1]!;
    const result = Math.imul(rotate(Math.imul(s1, 5), 7), 9) >>> 0;
    s[at + 2]! ^= s[at]!;
    s[at + 3]! ^= s1;
    s[at + 1]! ^= s[at + 2]!;
    s[at]! ^= s[at + 3]!;
    s[at + 2]! ^= s1 << 9;
    s[at + 3] = rotate(s[at + 3]!, 11);
    return result;
  }

  /** From 0 to below 1, a multiple of 2^-53. */
  real(stream: number): number {
    const high = this.word(stream) >>> 5;
    const low = this.word(stream) >>> 6;
    return (high * 2 ** 26 + low) / 2 ** 53;
  }

  /** Evenly between -limit and limit. */
  around(stream: number, limit: number): number {
    return limit === 0 ? 0 : (2 * this.real(stream) - 1) * limit;
  }

  /** A whole number from 0 to below `count`. */
  below(stream: number, count: number): number {
    return Math.floor(this.real(stream) * count);
  }

  /** Exponentially distributed. */
  exponential(stream: number, mean: number): number {
    return -Math.log(1 - this.real(stream)) * mean;
  }

  /** Normally distributed around 0 with variance 1: Box and Muller, 1958. */
  normal(stream: number): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.real(stream)));
    return radius * Math.cos(2 * Math.PI * this.real(stream));
  }

  /** Gamma distributed with scale 1: Marsaglia and Tsang, "A Simple Method for Generating Gamma Variables", 2000. */
  gamma(stream: number, shape: number): number {
    if (shape < 1) {
      // Their boost for small shapes; in logarithms no product vanishes before it has to.
      const boost = Math.log(1 - this.real(stream)) / shape;
      return Math.exp(Math.log(this.gamma(stream, shape + 1)) + boost);
    }
    const d = shape - 1 / 3;
    const c = 1 / Math.sqrt(9 * d);
    for (;;) {
      const x = this.normal(stream);
      const v = (1 + c * x) ** 3;
      if (v > 0 && Math.log(1 - this.real(stream)) < 0.5 * x * x + d - d * v + d * Math.log(v)) return d * v;
    }
  }
}

/** The streams of all devices of groups, by the group's name and the device's number in it. */
export class DeviceStreams extends Streams {
  constructor(seed: number, groups: readonly { readonly name: string; readonly count: number }[]) {
    const starts: number[] = [];
    let devices = 0;
    for (const { count } of groups) {
      starts.push(devices);
      devices += count;
    }
    let group = 0;
    super(seed, devices * CONCERNS.length, (stream) => {
      const device = Math.floor(stream / CONCERNS.length);
      while (group + 1 < starts.length && device >= starts[group + 1]!) group++;
      return [`${groups[group]!.name}/${CONCERNS[stream % CONCERNS.length]}`, device - starts[group]!];
    });
  }

  /** @param device its place in the fleet */
  static of(device: number, concern: Concern): number {
    return device * CONCERNS.length + PLACES[concern];
  }
}

const PLACES = Object.fromEntries(CONCERNS.map((concern, i) => [concern, i])) as Record<Concern, number>;

const rotate = (x: number, bits: number): number => (x << bits) | (x >>> (32 - bits));

/** Every bit of the result depends on every bit of `x`: the finalizer of MurmurHash3. */
function scramble(x: number): number {
  let h = x | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

function hash(text: string, start: number): number {
  let h = start;
  for (let i = 0; i < text.length; i++) h = scramble(Math.imul(h, 31) + text.charCodeAt(i));
  return h;
}
