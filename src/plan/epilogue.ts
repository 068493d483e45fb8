/**
 * The end of every layer that sums: the kernel hands over one 32-bit integer per output channel, and the epilogue makes of it what
 * is stored. With raw the kernel's integer and s the shortcut's:
 *
 *     v = raw * multiplier[k] + base[k] + s * factor[k]
 *     stored = clip(round(v / 2^shift), low, high) - zero        or        level(v) * scale + plus
 *
 * Numbers per channel lie in a record, which the kernel keeps beside the channel's weights. Multipliers that are all 1 and
 * bases that are all 0 are left out. v is computed modulo 2^32 where its range proves that this loses nothing, else in 64 bits.
 */

import type { Graph } from "../graph/graph.ts";
import { elementCount, numberOf, type Tensor, tensorOf } from "../graph/graph.ts";
import { multipleOf } from "../graph/grid.ts";
import type { Chain } from "./chain.ts";
import { noKernel } from "./draft.ts";
import { type Element, elementOf } from "./element.ts";
import { type Levels, planLevels } from "./levels.ts";
import type { Region } from "./plan.ts";
import { type Bounds, planRounding, type Rounding } from "./rounding.ts";

/** What a kernel hands over for one output channel. The root's integer is raw * factor + bias. */
export interface RawSum {
  /** The range of raw, within an i32. */
  readonly min: number;
  readonly max: number;
  readonly factor: number;
  readonly bias: number;
}

export interface Epilogue {
  /** v needs 64 bits: the record's numbers then take 8 bytes each. */
  readonly wide: boolean;
  /** Bytes of a channel's record, and where in it things lie. */
  readonly recordBytes: number;
  readonly multiplierAt?: number;
  readonly baseAt?: number;
  /** A stored tensor of the output's shape that is added. */
  readonly shortcut?: { readonly region: Region; readonly element: Element; readonly factorAt?: number };
  readonly quantiser: Rounding | Levels;
  /** What is stored. */
  readonly element: Element;
}

/** An epilogue before memory is placed. */
export interface EpilogueDraft {
  /** One per output channel, `recordBytes` each. */
  readonly records: readonly Uint8Array[];
  readonly recordBytes: number;
  readonly element: Element;
  /** Of an epilogue that only adds its base, shifts and clips: kernels may start their sums with the base. */
  readonly plain?: Plain;
  /** The shortcut's tensor, and the bytes it takes in memory. */
  readonly shortcut?: { readonly tensor: string; readonly bytes: number; readonly element: Element };
  readonly finish: (region: (name: string) => Region) => Epilogue;
}

export interface Plain {
  /** Per output. */
  readonly bases: readonly number[];
  /** A sum that is too large by a multiple of this, in all outputs, costs nothing: it is gone when the element is stored. */
  readonly unit: number;
}

/** The numbers of one output channel, exactly. */
interface Coefficients {
  readonly multiplier: bigint;
  readonly base: bigint;
  readonly factor: bigint;
}

const I32: Bounds = { min: -(2n ** 31n), max: 2n ** 31n - 1n };
/** Beyond this 64-bit sums could wrap. */
const I64: Bounds = { min: -(2n ** 62n), max: 2n ** 62n };

/**
 * @param sums one per output channel
 * @throws HedgeError when the chain leaves 64 bits, or ends in something that is none of the known quantisers
 */
export function planEpilogue(graph: Graph, chain: Chain, sums: readonly RawSum[]): EpilogueDraft {
  const shortcut = chain.shortcut && {
    tensor: chain.shortcut.tensor,
    element: elementOf(chain.shortcut.tensor.grid!),
  };
  const channels = coefficientsOf(graph, chain, sums);
  const bounds = channels.map(({ multiplier, base, factor }, k) => {
    const own = interval(multiplier, BigInt(sums[k]!.min), BigInt(sums[k]!.max));
    const grid = shortcut?.tensor.grid;
    const added = grid ? interval(factor, BigInt(grid.min), BigInt(grid.max)) : { min: 0n, max: 0n };
    return { min: own.min + base + added.min, max: own.max + base + added.max };
  });
  const total = join(bounds);
  if (!within(total, I64))
    noKernel(`"${chain.output.name}" is computed with integers of more than 62 bits`, "Use coarser scales.", "H402");
  const grid = chain.output.grid;
  if (!grid)
    return noKernel(
      `"${chain.output.name}" is off the integer grid, and so cannot be stored`,
      "Put a quantiser behind the node that makes it.",
      "H402",
    );
  const layout = new RecordLayout(channels.length);
  const isThreshold = chain.quantiser?.op === "threshold";
  const rounding = isThreshold ? undefined : planRounding(chain, total);
  const reach = rounding?.reach ?? { min: total.min - 1n, max: total.max + 1n };
  const wide = !within(reach, I32) || (rounding?.plan.shift ?? 0) > 31;
  const width = wide ? 8 : 4;
  const folded = channels.map((c) => c.base + (rounding?.fold ?? 0n));
  const levels = isThreshold ? planLevels(graph, chain, bounds, layout) : undefined;
  if (wide && levels)
    noKernel(
      `"${chain.output.name}" compares integers of more than 32 bits with thresholds`,
      "Use coarser scales.",
      "H402",
    );
  const multiplierAt = layout.numbers(
    channels.map((c) => c.multiplier),
    1n,
    width,
  );
  const element = elementOf(grid);
  const plain = rounding?.plan.correction === "never" && multiplierAt === undefined && !shortcut && !wide;
  const passing = plain ? passBase(rounding.plan, folded, element) : undefined;
  const baseAt = passing ? undefined : layout.numbers(folded, 0n, width);
  const factorAt = layout.numbers(
    channels.map((c) => c.factor),
    1n,
    width,
  );
  const bytes = shortcut ? elementCount(shortcut.tensor.shape) * shortcut.element.bytes : 0;
  return {
    records: layout.records(),
    recordBytes: layout.bytes,
    element,
    ...(plain && { plain: { bases: folded.map(Number), unit: 2 ** (rounding.plan.shift + 8 * element.bytes) } }),
    ...(shortcut && { shortcut: { tensor: shortcut.tensor.name, bytes, element: shortcut.element } }),
    finish: (region) => ({
      wide,
      recordBytes: layout.bytes,
      ...(multiplierAt !== undefined && { multiplierAt }),
      ...(baseAt !== undefined && { baseAt }),
      ...(shortcut && {
        shortcut: {
          region: region(shortcut.tensor.name),
          element: shortcut.element,
          ...(factorAt !== undefined && { factorAt }),
        },
      }),
      quantiser: levels ?? passing ?? rounding!.plan,
      element,
    }),
  };
}

/** A base of whole steps that is the same for all outputs passes the shift, and moves what comes behind. */
function passBase(plan: Rounding, bases: readonly bigint[], { bytes }: Element): Rounding | undefined {
  const [base] = bases as [bigint];
  const steps = base >> BigInt(plan.shift);
  if (base === 0n || bases.some((other) => other !== base) || steps << BigInt(plan.shift) !== base) return undefined;
  const moved = Number(steps);
  const zero = plan.zero - moved;
  return {
    ...plan,
    ...(plan.low !== undefined && { low: plan.low - moved }),
    ...(plan.high !== undefined && { high: plan.high - moved }),
    // Only the lowest bytes are stored.
    zero: zero % 2 ** (8 * bytes) === 0 ? 0 : zero,
  };
}

/** The chain's affine map on raw sums, a requantisation's own map included. */
function coefficientsOf(graph: Graph, chain: Chain, sums: readonly RawSum[]): Coefficients[] {
  const { quantiser } = chain;
  const outer = quantiser?.op === "requant";
  const [multipliers, offsets] = outer
    ? [tensorOf(graph, quantiser.inputs[1]!), tensorOf(graph, quantiser.inputs[2]!)]
    : [undefined, undefined];
  const of = (constant: Tensor | undefined, k: number, otherwise: bigint): bigint =>
    constant ? BigInt(constant.values![constant.values!.length === 1 ? 0 : k]!) : otherwise;
  const finer = scaleUp(chain);
  return sums.map(({ factor, bias }, k) => {
    const scale = of(multipliers, k, 1n) * finer;
    const multiplier = BigInt(chain.multiplier[k]!);
    return {
      multiplier: multiplier * BigInt(factor) * scale,
      base: (multiplier * BigInt(bias) + BigInt(chain.offset[k]!)) * scale + of(offsets, k, 0n),
      factor: chain.shortcut ? BigInt(chain.shortcut.factor[k]!) * scale : 1n,
    };
  });
}

/** By how much values are raised for a quantiser whose step is finer than theirs. */
function scaleUp({ quantiser, step, output }: Chain): bigint {
  if (!quantiser || quantiser.op === "requant" || !output.grid) return 1n;
  const to = quantiser.op === "threshold" ? numberOf(quantiser, "inputStep") : output.grid.step;
  return step > to ? BigInt(multipleOf(step, to) ?? 1) : 1n;
}

/** Lays out the records of all channels at once. */
export class RecordLayout {
  bytes = 0;
  readonly #writers: ((view: DataView, channel: number) => void)[] = [];

  constructor(private readonly channels: number) {}

  /** A number per channel, modulo its width; nothing where all are the `neutral` one. Returns where it lies. */
  numbers(values: readonly bigint[], neutral: bigint, width: 2 | 4 | 8): number | undefined {
    if (values.every((value) => value === neutral)) return undefined;
    return this.rows(
      values.map((value) => [value]),
      width,
    );
  }

  /** A row of numbers per channel, all of one length. */
  rows(rows: readonly (readonly bigint[])[], width: 2 | 4 | 8): number {
    const at = this.bytes;
    this.#writers.push((view, channel) => {
      rows[channel]!.forEach((value, i) => {
        const where = at + i * width;
        if (width === 8) view.setBigInt64(where, BigInt.asIntN(64, value), true);
        else if (width === 4) view.setInt32(where, Number(BigInt.asIntN(32, value)), true);
        else view.setInt16(where, Number(BigInt.asIntN(16, value)), true);
      });
    });
    this.bytes += rows[0]!.length * width;
    return at;
  }

  records(): Uint8Array[] {
    return Array.from({ length: this.channels }, (_, channel) => {
      const record = new Uint8Array(this.bytes);
      for (const write of this.#writers) write(new DataView(record.buffer), channel);
      return record;
    });
  }
}

function interval(factor: bigint, min: bigint, max: bigint): Bounds {
  return factor < 0n ? { min: factor * max, max: factor * min } : { min: factor * min, max: factor * max };
}

function join(bounds: readonly Bounds[]): Bounds {
  let { min, max } = bounds[0]!;
  for (const other of bounds) {
    if (other.min < min) min = other.min;
    if (other.max > max) max = other.max;
  }
  return { min, max };
}

function within(inner: Bounds, outer: Bounds): boolean {
  return inner.min >= outer.min && inner.max <= outer.max;
}
