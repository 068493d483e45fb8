/** Element-wise layers. */
import type { PointwiseLayer, PointwiseOperand } from "../plan/element-layers.ts";
import type { Code, Expression, Local } from "./code.ts";
import { loadElement } from "./element.ts";
import { OutputWriter } from "./epilogue.ts";

/** Elements of a loop's body at most. */
const MAX_UNROLLED = 4;

export function emitPointwise(code: Code, layer: PointwiseLayer): Expression {
  const { outputShape, channels, records, operands, epilogue, scratch } = layer;
  const elements = outputShape.reduce((product, n) => product * n, 1);
  const writer = new OutputWriter(code, epilogue, layer.output);
  const sources = operands.map((operand) => new Source(code, operand, scratch.address));
  const join = layer.join === "mul" ? code.module.i32.mul : code.module.i32.add;
  const record = code.pointer();
  const raw = (k: number): Expression =>
    sources.map((source) => source.load(k)).reduce((joined, value) => join(joined, value));
  /** Loops over elements; their records are one, or one behind another. */
  const loop = (count: number, recordBytes: number): Expression[] => {
    const unrolled = [MAX_UNROLLED, 2, 1].find((n) => count % n === 0)!;
    return [
      code.repeat(count / unrolled, [
        ...Array.from({ length: unrolled }, (_, k) => writer.store(raw(k), record, k * recordBytes, k)).flat(),
        ...sources.flatMap((source) => source.advance(unrolled)),
        ...writer.advance(unrolled),
        ...(recordBytes > 0 ? [record.advance(unrolled * recordBytes)] : []),
      ]),
    ];
  };
  const perChannel = records > 1 || operands.some((operand) => operand.perChannel);
  const body = perChannel
    ? [
        code.repeat(elements / channels, [
          record.set(code.i32(scratch.address)),
          ...sources.flatMap((source) => source.nextPixel()),
          ...loop(channels, records > 1 ? epilogue.recordBytes : 0),
        ]),
      ]
    : [record.set(code.i32(scratch.address)), ...loop(elements, 0)];
  return code.block(...sources.flatMap((source) => source.start()), ...writer.start(), ...body);
}

/** Reads one operand, element after element. */
class Source {
  readonly #pointer: Local;

  constructor(
    private readonly code: Code,
    private readonly operand: PointwiseOperand,
    private readonly tables: number,
  ) {
    this.#pointer = code.pointer();
  }

  start(): Expression[] {
    return [this.#pointer.set(this.code.i32(this.operand.region.address))];
  }

  /** Values per channel begin anew with each pixel. */
  nextPixel(): Expression[] {
    return this.operand.perChannel ? this.start() : [];
  }

  load(ahead: number): Expression {
    const { table, factor, bytes } = this.operand;
    const { i32 } = this.code.module;
    if (table) {
      const byte = i32.load8_u(ahead, 1, this.#pointer.get);
      const entry = table.element.bytes === 1 ? byte : i32.shl(byte, this.code.i32(table.element.bytes / 2));
      return loadElement(this.code, table.element, this.tables + table.at, entry);
    }
    const value = loadElement(this.code, this.operand, ahead * bytes, this.#pointer.get);
    return factor === 1 ? value : i32.mul(value, this.code.i32(factor));
  }

  advance(elements: number): Expression[] {
    return [this.#pointer.advance(elements * this.operand.bytes)];
  }
}
