/** The end of an exit: a fully connected layer, then the decision. */
import { RESULT_HEAD_BYTES } from "../plan/exit.ts";
import type { DenseExitLayer } from "../plan/plan.ts";
import type { Code, Expression } from "./code.ts";
import { decide } from "./decision.ts";
import type { EmitContext, LoadWeights } from "./emitter.ts";

/** Writes logits, label, entropy and decision to the result; returns the decision (1 = the answer is final) as an i32. */
export function emitDenseExit(
  code: Code,
  layer: DenseExitLayer,
  { threshold, loadWeights, weightsAt }: EmitContext,
): Expression {
  return code.module.block(
    null,
    [...logits(code, layer, loadWeights, weightsAt()), ...decide(code, layer, threshold, loadWeights)],
    code.types.i32,
  );
}

function logits(code: Code, layer: DenseExitLayer, loadWeights: LoadWeights, weightsAt: Expression): Expression[] {
  const { i32 } = code.module;
  const classes = layer.outputShape[0]!;
  const row = code.pointer();
  const out = code.pointer();
  const weight = code.pointer();
  const input = code.pointer();
  const sum = code.pointer();
  const scratch = layer.scratch.address;
  const paddedInputs = layer.rowBytes - 4;
  const load = layer.signed ? i32.load8_s : i32.load8_u;
  const tap = (i: number): Expression =>
    sum.set(i32.add(i32.mul(i32.load8_s(i, 1, weight.get), load(i, 1, input.get)), sum.get));
  return [
    row.set(weightsAt),
    out.set(code.i32(layer.output.address + RESULT_HEAD_BYTES)),
    code.repeat(classes, [
      loadWeights(code.i32(scratch), row.get, code.i32(layer.rowBytes)),
      weight.set(code.i32(scratch)),
      input.set(code.i32(layer.input.address)),
      sum.set(i32.load(scratch + paddedInputs, 4, code.i32(0))),
      // Padding weights are zero: what lies behind the inputs does not matter.
      code.repeat(paddedInputs / 4, [tap(0), tap(1), tap(2), tap(3), weight.advance(4), input.advance(4)]),
      i32.store(0, 4, out.get, sum.get),
      out.advance(4),
      row.advance(layer.rowBytes),
    ]),
  ];
}
