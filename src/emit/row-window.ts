/** Emits row windows: src/plan/row-window.ts says what they are. */
import type { RowWindow } from "../plan/row-window.ts";
import type { Code, Expression, Local } from "./code.ts";

/** Walks the rows of outputs; `pixel` points to what the first output of a row looks at. */
export class RowWalker {
  readonly pixel: Local;
  /** Of the uppermost kernel row: the input's row that it lies on, and that row's address. */
  readonly #row: Local;
  readonly #rowAddress: Local;

  constructor(
    private readonly code: Code,
    private readonly window: RowWindow,
  ) {
    this.pixel = code.pointer();
    this.#row = code.pointer();
    this.#rowAddress = code.pointer();
  }

  start(): Expression[] {
    const { code, window } = this;
    const { input, copied, top, rowStride } = window;
    return [
      this.#rowAddress.set(code.i32(input.address - top * rowStride)),
      ...(copied ? [this.#row.set(code.i32(-top)), ...this.#pad()] : []),
    ];
  }

  /** Goes to the first output of the next row of outputs. */
  enterRow(): Expression[] {
    const { code, window } = this;
    const { copied, stride, rowStride } = window;
    if (!copied) return [this.pixel.set(this.#rowAddress.get), this.#rowAddress.advance(stride * rowStride)];
    const { kernelRows, dilation } = window;
    return [
      ...this.#copyRows(),
      // The copies moved both on by the kernel's rows.
      this.#row.advance(stride - kernelRows * dilation),
      this.#rowAddress.advance((stride - kernelRows * dilation) * rowStride),
      this.pixel.set(code.i32(copied.region.address)),
    ];
  }

  #pad(): Expression[] {
    const { region, padInteger, padBytes, rowStride } = this.window.copied!;
    const { planes, kernelRows } = this.window;
    return fill(this.code, this.code.i32(region.address), planes * kernelRows * rowStride, padInteger, padBytes);
  }

  #copyRows(): Expression[] {
    const { code, window } = this;
    const { copied, kernelRows, dilation, rowStride, rowBytes, planes, planeStride, inputRows } = window;
    const { region, left, padInteger, padBytes, rowStride: copiedStride } = copied!;
    const { i32, memory } = code.module;
    const [to, from] = [code.pointer(), planes > 1 ? code.pointer() : this.#rowAddress];
    const everyPlane = (body: Expression[]): Expression[] => {
      if (planes === 1) return body;
      const planeBytes = kernelRows * copiedStride;
      const next = [from.advance(planeStride), to.advance(planeBytes)];
      return [
        from.set(this.#rowAddress.get),
        code.repeat(planes, [...body, ...next]),
        to.advance(-planes * planeBytes),
      ];
    };
    // The last rows of outputs look below the map, where earlier ones left their rows.
    const inside = i32.lt_u(this.#row.get, code.i32(inputRows));
    const copy = code.block(...everyPlane([memory.copy(to.get, from.get, code.i32(rowBytes))]));
    const blank = code.block(...everyPlane(fill(code, to.get, rowBytes, padInteger, padBytes)));
    return [
      to.set(code.i32(region.address + left)),
      code.repeat(kernelRows, [
        code.module.if(inside, copy, blank),
        this.#row.advance(dilation),
        this.#rowAddress.advance(dilation * rowStride),
        to.advance(copiedStride),
      ]),
    ];
  }
}

/** Sets elements to one integer: bytes at once where all of the integer's bytes are the same. */
function fill(code: Code, at: Expression, bytes: number, integer: number, elementBytes: 1 | 2 | 4): Expression[] {
  const low = integer & 0xff;
  const pattern = [0, 1, 2, 3].slice(0, elementBytes).map((i) => (integer >> (8 * i)) & 0xff);
  if (pattern.every((byte) => byte === low)) return [code.module.memory.fill(at, code.i32(low), code.i32(bytes))];
  const { i32 } = code.module;
  const to = code.pointer();
  const value = code.i32(integer);
  return [
    to.set(at),
    code.repeat(bytes / elementBytes, [
      elementBytes === 2 ? i32.store16(0, 1, to.get, value) : i32.store(0, 1, to.get, value),
      to.advance(elementBytes),
    ]),
  ];
}
