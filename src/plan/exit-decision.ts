/** Plans the exit rule on logits that other layers made. */
import { behind, moveLoops } from "./copy.ts";
import { bufferName, type Draft, noKernel } from "./draft.ts";
import { logitExponentOf, RESULT_BUFFER, RESULT_HEAD_BYTES } from "./exit.ts";
import type { Matcher } from "./matcher.ts";
import type { WeightSlice } from "./plan.ts";
import { rowMajorStrides } from "./view.ts";

/** @param logits the tensor that the exit rule looks at */
export function draftExitDecision(match: Matcher, logits: string, tables: WeightSlice): Draft {
  const node = match.producer(logits);
  const { shape, bytes, signed } = match.storage(logits, node);
  const logitExponent = logitExponentOf(match, logits);
  const [classes] = shape as [number];
  const loops = moveLoops(
    match.view(logits),
    { root: RESULT_BUFFER, offset: 0, dims: shape, strides: rowMajorStrides(shape) },
    bytes,
    4,
  );
  if (!loops) return noKernel(`The logits "${logits}" lie in an order that no loops describe`);
  const scratch = bufferName("tables", logits);
  const { root, offset } = match.view(logits);
  return {
    name: RESULT_BUFFER,
    buffers: [
      match.request(root),
      { name: RESULT_BUFFER, bytes: RESULT_HEAD_BYTES + 4 * classes },
      { name: scratch, bytes: tables.bytes },
    ],
    weights: new Uint8Array(0),
    operations: classes * 60,
    why: "the exit rule on stored logits",
    finish: (region, slice) => ({
      kind: "exit-decision",
      name: logits,
      outputShape: shape,
      output: region(RESULT_BUFFER),
      weights: slice,
      loadsItself: true,
      scratch: region(scratch),
      macs: 0,
      weightBits: 0,
      activationBits: 8 * bytes,
      input: behind(region(root), offset * bytes),
      element: { bytes, signed },
      loops,
      logitExponent,
      tables,
    }),
  };
}
