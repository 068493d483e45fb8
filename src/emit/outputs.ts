/** The result row of an edge-only model. */
import type { OutputsLayer } from "../plan/element-layers.ts";
import type { Code, Expression } from "./code.ts";
import { walk } from "./copy.ts";
import { loadElement } from "./element.ts";

/** Label, exited, entropy. */
const HEAD_BYTES = 12;

export function emitOutputs(code: Code, layer: OutputsLayer): Expression {
  const { i32 } = code.module;
  const from = code.pointer();
  const to = code.pointer();
  const row = layer.output.address;
  const elements = layer.outputShape.reduce((a, b) => a * b, 1);
  const store = (at: number, value: Expression): Expression => i32.store(row + at, 4, code.i32(0), value);
  return code.block(
    from.set(code.i32(layer.input.address)),
    to.set(code.i32(row + HEAD_BYTES)),
    ...walk(code, from, to, layer.loops, (f, t) => [
      i32.store(t, 4, to.get, loadElement(code, layer.element, f, from.get)),
    ]),
    ...(layer.labels ? argMax(code, row, elements) : [store(0, code.i32(-1))]),
    store(4, code.i32(1)),
    store(8, code.i32(0)),
  );
}

/** Writes the index of the row's largest element, the first of several, as its label. */
function argMax(code: Code, row: number, elements: number): Expression[] {
  const { i32 } = code.module;
  const [at, largest, label] = [code.pointer(), code.pointer(), code.pointer()];
  return [
    at.set(code.i32(row + HEAD_BYTES)),
    label.set(at.get),
    largest.set(i32.load(0, 4, at.get)),
    code.repeat(elements, [
      code.module.if(
        i32.gt_s(i32.load(0, 4, at.get), largest.get),
        code.block(label.set(at.get), largest.set(i32.load(0, 4, at.get))),
      ),
      at.advance(4),
    ]),
    i32.store(row, 4, code.i32(0), i32.shr_u(label.plus(-row - HEAD_BYTES), code.i32(2))),
  ];
}
