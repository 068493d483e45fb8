/** The sum of each window, channel by channel, then the epilogue. */
import type { AveragePoolLayer } from "../plan/element-layers.ts";
import type { Code, Expression, Local } from "./code.ts";
import { loadElement } from "./element.ts";
import { OutputWriter } from "./epilogue.ts";
import { walkWindows } from "./windows.ts";

const SIGNS = 0x8080808080808080n;
const EVEN_BYTES = 0x00ff00ff00ff00ffn;
/** Channels whose sums lie in two words. */
const GROUP = 8;

export function emitAveragePool(code: Code, layer: AveragePoolLayer): Expression {
  const { element, window, input, sums, lanes } = layer;
  const writer = new OutputWriter(code, layer.epilogue, layer.output);
  const [from, sum] = [code.pointer(), code.pointer()];
  const add = lanes === 16 ? addBytes(code, layer, from, sum) : addElements(code, layer, from, sum);
  return code.block(
    ...writer.start(),
    ...walkWindows(code, input.address, element.bytes, window, {
      begin: () => [code.module.memory.fill(code.i32(sums.address), code.i32(0), code.i32(sums.bytes))],
      pixel: (at) => [from.set(at.get), sum.set(code.i32(sums.address)), ...add],
      end: () => finish(code, layer, writer, sum),
    }),
  );
}

/** Eight bytes to eight lanes of 16 bits. What lies behind the last channel is added to lanes that nobody reads. */
function addBytes(code: Code, { element, window }: AveragePoolLayer, from: Local, sum: Local): Expression[] {
  const { i64 } = code.module;
  const bytes = code.word();
  const loaded = i64.load(0, 1, from.get);
  const accumulate = (offset: number, lanes: Expression): Expression =>
    i64.store(offset, 1, sum.get, i64.add(i64.and(lanes, code.i64(EVEN_BYTES)), i64.load(offset, 1, sum.get)));
  return [
    code.repeat(Math.ceil(window.inputShape[0] / GROUP), [
      bytes.set(element.signed ? i64.xor(loaded, code.i64(SIGNS)) : loaded),
      accumulate(0, bytes.get),
      accumulate(8, i64.shr_u(bytes.get, code.i64(8n))),
      from.advance(GROUP),
      sum.advance(2 * GROUP),
    ]),
  ];
}

function addElements(code: Code, { element, window }: AveragePoolLayer, from: Local, sum: Local): Expression[] {
  const { i32 } = code.module;
  return [
    code.repeat(window.inputShape[0], [
      i32.store(0, 4, sum.get, i32.add(loadElement(code, element, 0, from.get), i32.load(0, 4, sum.get))),
      from.advance(element.bytes),
      sum.advance(4),
    ]),
  ];
}

/** Sends the sums of a pixel's channels through the epilogue. */
function finish(code: Code, layer: AveragePoolLayer, writer: OutputWriter, sum: Local): Expression[] {
  const { i32 } = code.module;
  const { window, sums, scratch, epilogue, records, lanes } = layer;
  const channels = window.inputShape[0];
  const record = code.pointer();
  const recordBytes = records > 1 ? epilogue.recordBytes : 0;
  const raw = (k: number): Expression => {
    if (lanes === 32) return i32.load(4 * k, 4, sum.get);
    return i32.load16_u((k % 2) * GROUP + (k - (k % 2)), 2, sum.get);
  };
  const group = (count: number): Expression[] => [
    ...Array.from({ length: count }, (_, k) => writer.store(raw(k), record, k * recordBytes, k)).flat(),
    ...writer.advance(count),
  ];
  const whole = Math.floor(channels / GROUP);
  return [
    sum.set(code.i32(sums.address)),
    record.set(code.i32(scratch.address)),
    ...(whole > 0
      ? [
          code.repeat(whole, [
            ...group(GROUP),
            sum.advance((GROUP * lanes) / 8),
            ...(recordBytes > 0 ? [record.advance(GROUP * recordBytes)] : []),
          ]),
        ]
      : []),
    ...(channels % GROUP > 0 ? group(channels % GROUP) : []),
  ];
}
