/** Emits epilogues: from a kernel's 32-bit sum to the stored element. src/plan/epilogue.ts says what they compute. */
import type { Element } from "../plan/element.ts";
import type { Epilogue } from "../plan/epilogue.ts";
import type { Levels } from "../plan/levels.ts";
import type { Region } from "../plan/plan.ts";
import type { Rounding } from "../plan/rounding.ts";
import type { Code, Expression, Local } from "./code.ts";
import { loadElement, storeElement } from "./element.ts";

/** Writes a layer's outputs, one after another in memory; knows where the next one goes. */
export class OutputWriter {
  /** Counts bytes of outputs from 0: addresses are constants in the instructions. */
  readonly position: Local;
  /** Counts the shortcut's bytes, where its elements are of another size. */
  readonly #shortcut: Local | undefined;
  readonly #value: Local;
  readonly #wideValue: Local | undefined;
  readonly #table: Local | undefined;

  constructor(
    private readonly code: Code,
    private readonly epilogue: Epilogue,
    private readonly output: Region,
  ) {
    const { shortcut, element, wide, quantiser } = epilogue;
    this.position = code.pointer();
    if (shortcut) this.#shortcut = shortcut.element.bytes === element.bytes ? this.position : code.pointer();
    this.#value = code.pointer();
    if (wide) this.#wideValue = code.word();
    if (quantiser.kind === "levels" && quantiser.depth > 1) this.#table = code.pointer();
  }

  /** Goes to an output, counted in elements. */
  start(element = 0): Expression[] {
    return this.#move((local, bytes) => local.set(this.code.i32(element * bytes)));
  }

  /** Goes to an output that is known when the module runs. */
  startAt(element: Local): Expression[] {
    const { i32 } = this.code.module;
    return this.#move((local, bytes) => local.set(i32.mul(element.get, this.code.i32(bytes))));
  }

  /** Moves on by some outputs, or back. */
  advance(elements: number): Expression[] {
    return elements === 0 ? [] : this.#move((local, bytes) => local.advance(elements * bytes));
  }

  #move(by: (local: Local, bytes: number) => Expression): Expression[] {
    const { element, shortcut } = this.epilogue;
    const own = by(this.position, element.bytes);
    return shortcut && this.#shortcut !== this.position ? [own, by(this.#shortcut!, shortcut.element.bytes)] : [own];
  }

  /**
   * Finishes one output.
   * @param raw the kernel's sum, an i32, or an i64 that one holds
   * @param record where the channel's record lies: `offset` bytes behind the local
   * @param ahead which output, counted from where the writer is
   */
  store(raw: Expression | { readonly i64: Expression }, record: Local, offset: number, ahead = 0): Expression[] {
    const { element, quantiser } = this.epilogue;
    const v = this.#affine(this.#widened(raw), record, offset, ahead);
    const finished =
      quantiser.kind === "levels" ? this.#level(v, quantiser, record, offset) : this.#round(v, quantiser);
    const address = this.output.address + ahead * element.bytes;
    return [...finished, storeElement(this.code, element, address, this.position, this.#value.get)];
  }

  /** A sum in the width of the epilogue's arithmetic. */
  #widened(raw: Expression | { readonly i64: Expression }): Expression {
    const { i32, i64 } = this.code.module;
    if (typeof raw === "object") return this.epilogue.wide ? raw.i64 : i32.wrap(raw.i64);
    return this.epilogue.wide ? i64.extend_s(raw) : raw;
  }

  /** v = sum * multiplier + base + shortcut * factor: an i64 where the epilogue is wide. */
  #affine(sum: Expression, record: Local, offset: number, ahead: number): Expression {
    const { wide, multiplierAt, baseAt, shortcut } = this.epilogue;
    const { i32, i64 } = this.code.module;
    const number = (at: number): Expression =>
      wide ? i64.load(offset + at, 1, record.get) : i32.load(offset + at, 1, record.get);
    const [add, mul] = wide ? [i64.add, i64.mul] : [i32.add, i32.mul];
    let v = sum;
    if (multiplierAt !== undefined) v = mul(number(multiplierAt), v);
    if (baseAt !== undefined) v = add(number(baseAt), v);
    if (!shortcut) return v;
    const { element, region, factorAt } = shortcut;
    const narrow = loadElement(this.code, element, region.address + ahead * element.bytes, this.#shortcut!.get);
    const added = wide ? i64.extend_s(narrow) : narrow;
    return add(factorAt === undefined ? added : mul(number(factorAt), added), v);
  }

  #round(v: Expression, { shift, correction, amount, low, high, zero }: Rounding): Expression[] {
    const { code } = this;
    const { i32 } = code.module;
    const value = this.#value;
    const steps: Expression[] = [];
    const wide = this.#wideValue;
    const word: Words = wide ? wordsOf64(code) : wordsOf32(code);
    let sum = v;
    if (correction !== "never") {
      const held = wide ?? value;
      steps.push(held.set(sum));
      sum = word.add(conditional(word, held, correction, amount, shift), held.get);
    }
    const shifted = shift === 0 ? sum : word.shr(sum, shift);
    if (wide && (low !== undefined || high !== undefined)) {
      // Before the limits are applied the integer may be wider than 32 bits.
      const { i64, select } = code.module;
      steps.push(wide.set(shifted));
      if (low !== undefined)
        steps.push(wide.set(select(i64.lt_s(wide.get, word.constant(low)), word.constant(low), wide.get)));
      if (high !== undefined)
        steps.push(wide.set(select(i64.gt_s(wide.get, word.constant(high)), word.constant(high), wide.get)));
      steps.push(value.set(i32.wrap(wide.get)));
    } else {
      steps.push(value.set(wide ? i32.wrap(shifted) : shifted));
      steps.push(...code.clip(value, low, high));
    }
    return zero === 0 ? steps : [...steps, value.set(value.plus(-zero))];
  }

  #level(v: Expression, levels: Levels, record: Local, offset: number): Expression[] {
    const { code } = this;
    const { i32 } = code.module;
    const { maskAt, thresholdsAt, depth, bytes, scale, plus } = levels;
    const value = this.#value;
    const masked = maskAt === undefined ? v : i32.xor(i32.load(offset + maskAt, 1, record.get), v);
    const first = offset + thresholdsAt;
    const reaches = (index: number, base: Local): Expression =>
      i32.ge_s(value.get, loadElement(code, { bytes, signed: true }, first + index * bytes, base.get));
    const steps = [value.set(masked)];
    let level: Expression;
    const table = this.#table;
    if (table) {
      steps.push(table.set(record.get));
      const halve = (step: number): Expression =>
        i32.add(i32.mul(reaches(step - 1, table), code.i32(step * bytes)), table.get);
      for (let step = 2 ** (depth - 1); step > 1; step /= 2) steps.push(table.set(halve(step)));
      level = i32.shr_u(i32.sub(halve(1), record.get), code.i32(bytes / 2));
    } else level = reaches(0, record);
    const scaled = scale === 1 ? level : i32.mul(level, code.i32(scale));
    return [...steps, value.set(plus === 0 ? scaled : i32.add(scaled, code.i32(plus)))];
  }
}

/** Outputs that are finished without a loop, if their number allows. */
const UNROLLED = [4, 3, 2, 1];

/** Where the sums of a pixel's outputs lie, and the first one's record: the pointers move behind the last. */
export interface StoredSums {
  readonly count: number;
  readonly sum: Local;
  readonly element: Element;
  readonly record: Local;
}

/** Finishes a pixel's outputs from sums in memory. */
export function finishOutputs(
  code: Code,
  writer: OutputWriter,
  { recordBytes }: Epilogue,
  { count, sum, element, record }: StoredSums,
): Expression {
  const unrolled = UNROLLED.find((n) => count % n === 0)!;
  const finish = (i: number): Expression[] =>
    writer.store(loadElement(code, element, i * element.bytes, sum.get), record, i * recordBytes, i);
  return code.repeat(count / unrolled, [
    ...Array.from({ length: unrolled }, (_, i) => finish(i)).flat(),
    ...writer.advance(unrolled),
    sum.advance(unrolled * element.bytes),
    ...(recordBytes > 0 ? [record.advance(unrolled * recordBytes)] : []),
  ]);
}

/** The few operations that rounding needs, in either width. */
interface Words {
  readonly add: (a: Expression, b: Expression) => Expression;
  readonly and: (a: Expression, b: Expression) => Expression;
  readonly xor: (a: Expression, b: Expression) => Expression;
  readonly shr: (a: Expression, bits: number) => Expression;
  readonly constant: (n: number) => Expression;
  readonly bits: 32 | 64;
}

function wordsOf32(code: Code): Words {
  const { add, and, xor, shr_s } = code.module.i32;
  const constant = (n: number): Expression => code.i32(n);
  return { add, and, xor, constant, shr: (a, bits) => shr_s(a, constant(bits)), bits: 32 };
}

function wordsOf64(code: Code): Words {
  const { add, and, xor, shr_s } = code.module.i64;
  const constant = (n: number): Expression => code.i64(BigInt(n));
  return { add, and, xor, constant, shr: (a, bits) => shr_s(a, constant(bits)), bits: 64 };
}

/** What a rounding adds to v. */
function conditional(word: Words, v: Local, when: Rounding["correction"], amount: number, shift: number): Expression {
  if (when === "odd") return word.add(word.and(word.shr(v.get, shift), word.constant(1)), word.constant(amount));
  const negative = word.shr(v.get, word.bits - 1);
  const mask = when === "negative" ? negative : word.xor(negative, word.constant(-1));
  return word.and(mask, word.constant(amount));
}
