/** Depthwise convolution: row by row, in each row channel by channel, with the channel's weights in locals. */
import type { DepthwiseConvLayer } from "../plan/sum-layers.ts";
import type { Code, Expression } from "./code.ts";
import { loadElement } from "./element.ts";
import { OutputWriter } from "./epilogue.ts";
import { RowWalker } from "./row-window.ts";

export function emitDepthwiseConv(code: Code, layer: DepthwiseConvLayer): Expression {
  const { i32 } = code.module;
  const { map, offsets, element, weightElement, strideBytes, channelBytes, epilogue, scratch } = layer;
  const [channels, height, width] = map;
  const rows = new RowWalker(code, layer.window);
  const writer = new OutputWriter(code, epilogue, layer.output);
  const record = code.pointer();
  const sum = code.pointer();
  const weights = offsets.map(() => code.pointer());
  const weightBytes = offsets.length * weightElement.bytes;
  const products = offsets.map((offset, t) =>
    i32.mul(loadElement(code, element, offset, rows.pixel.get), weights[t]!.get),
  );
  const last = products.pop()!;
  const adding = products.map((product, t) => sum.set(t === 0 ? product : i32.add(product, sum.get)));
  const output = [
    ...adding,
    ...writer.store(adding.length > 0 ? i32.add(last, sum.get) : last, record, weightBytes),
    ...writer.advance(channels),
    rows.pixel.advance(strideBytes),
  ];
  const channel = [
    ...weights.map((weight, t) => weight.set(loadElement(code, weightElement, t * weightElement.bytes, record.get))),
    code.repeat(width, output),
    ...writer.advance(1 - width * channels),
    rows.pixel.advance(channelBytes - width * strideBytes),
    record.advance(weightBytes + epilogue.recordBytes),
  ];
  return code.block(
    ...rows.start(),
    ...writer.start(),
    code.repeat(height, [
      ...rows.enterRow(),
      record.set(code.i32(scratch.address)),
      code.repeat(channels, channel),
      ...writer.advance((width - 1) * channels),
    ]),
  );
}
