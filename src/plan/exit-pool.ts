/** Plans the pooling in front of an exit: relu(stream - shift) averaged over whole windows. */
import { elementCount, type Node, numbersOf } from "../graph/graph.ts";
import { isPowerOfTwo, shiftBetween } from "../graph/grid.ts";
import { bufferName, type Draft, noKernel, SLACK } from "./draft.ts";
import type { Matcher } from "./matcher.ts";
import { align } from "./memory.ts";

/** What an exit may subtract from its stream, in the stream's steps: more would leave nothing of it, or nothing but a constant. */
const MAX_OFFSET = 1024;

/** @param quantiser the quant node whose result the layer makes */
export function draftExitPool(match: Matcher, quantiser: Node, pool: Node): Draft {
  const pooledStep = match.flooringQuant(quantiser, 0, 255);
  const relu = match.expect("relu", pool.inputs[0]!, pool);
  const sub = match.expect("sub", relu.inputs[0]!, relu);
  const stream = match.stream(sub.inputs[0]!, sub);
  const pooled = match.tensor(quantiser.output);
  const [kh, kw] = numbersOf(pool, "kernel") as [number, number];
  if (!isPowerOfTwo(kh * kw) || numbersOf(pool, "strides").join() !== [kh, kw].join())
    noKernel(`Node "${pool.name}" (averagePool) must pool by whole windows of a power of two`);
  const streamStep = match.grid(stream.name, sub).step;
  const offsets = match.tensor(sub.inputs[1]!);
  if (!offsets.values || !offsets.grid || offsets.grid.step < streamStep)
    return noKernel(
      `Node "${sub.name}" (sub) subtracts values off its input's grid`,
      "Round the exit's shift to the stream's step.",
    );
  const shifts = offsets.values.map((value) => value / streamStep);
  if (shifts.some((n) => Math.abs(n) > MAX_OFFSET))
    noKernel(
      `Node "${sub.name}" (sub) subtracts more than ${MAX_OFFSET} steps of its input`,
      "Bound the exit's shift to the range of the stream.",
    );
  const shift = shiftBetween(pooledStep, match.grid(pool.output, pool).step);
  // The sum over a window, before and after it is shifted, in 32 bits.
  const reach = kh * kw * (128 + MAX_OFFSET) * 2 ** Math.max(0, -shift);
  if (shift > 31 || reach >= 2 ** 31)
    noKernel(
      `Node "${quantiser.name}" quantises the pooled map at a scale too far from its input's`,
      "Use a scale between the stream's step and a few hundredths of it.",
    );
  const channels = stream.shape[0]!;
  const table = new Int16Array(align(channels, 4));
  for (let c = 0; c < channels; c++) table[c] = shifts[shifts.length === 1 ? 0 : c]!;
  const shiftTable = bufferName("shifts", quantiser.output);
  return {
    name: quantiser.output,
    buffers: [
      { name: sub.inputs[0]!, bytes: elementCount(stream.shape) + SLACK },
      { name: quantiser.output, bytes: align(elementCount(pooled.shape), 4) },
      { name: shiftTable, bytes: table.byteLength },
    ],
    weights: new Uint8Array(table.buffer),
    operations: elementCount(pooled.shape) * (12 + 6 * kh * kw),
    why: "shift, relu and pooling in one pass over the stream",
    finish: (region, slice) => ({
      kind: "exit-pool",
      name: quantiser.output,
      outputShape: pooled.shape,
      output: region(quantiser.output),
      weights: slice,
      scratch: region(shiftTable),
      macs: 0,
      weightBits: 16,
      activationBits: 8,
      input: region(sub.inputs[0]!),
      inputShape: stream.shape as [number, number, number],
      window: [kh, kw],
      shift,
    }),
  };
}
