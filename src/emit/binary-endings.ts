/** What binarized convolutions do with the number of products that are -1: from the count to the stored output. */
import type { BinaryConvLayer } from "../plan/binary-layers.ts";
import type { Epilogue } from "../plan/epilogue.ts";
import { filterBytes } from "../plan/packing.ts";
import { StreamEnding } from "./binary-stream.ts";
import type { Code, Expression, Local } from "./code.ts";
import { OutputWriter } from "./epilogue.ts";

/** Knows where outputs go. Outputs are counted from the first pixel of a block: that of pixel p lies p pixels ahead. */
export interface Ending {
  /** Runs of output channels that are computed alike. */
  readonly runs: readonly { readonly count: number; readonly withShortcut: boolean }[];
  readonly start: () => Expression[];
  /** Takes from the filter's record what all pixels need. */
  readonly load: (record: Local) => Expression[];
  readonly store: (count: Expression, pixel: number, record: Local, withShortcut: boolean) => Expression[];
  readonly nextChannel: (withShortcut: boolean) => Expression[];
  readonly nextBlock: (pixels: number) => Expression[];
  readonly nextRow: () => Expression[];
}

export function endingOf(code: Code, layer: BinaryConvLayer): Ending {
  const { ending } = layer;
  switch (ending.kind) {
    case "stream":
      return new StreamEnding(code, layer, ending);
    case "sign":
      return new SignEnding(code, layer);
    case "epilogue":
      return new EpilogueEnding(code, layer, ending.epilogue);
  }
}

class SignEnding implements Ending {
  readonly runs: Ending["runs"];
  readonly #out: Local;
  readonly #most: Local;

  constructor(
    private readonly code: Code,
    private readonly layer: BinaryConvLayer,
  ) {
    this.runs = [{ count: layer.map[0], withShortcut: false }];
    this.#out = code.pointer();
    this.#most = code.pointer();
  }

  start(): Expression[] {
    return [this.#out.set(this.code.i32(this.layer.output.address))];
  }

  load(record: Local): Expression[] {
    return [this.#most.set(this.code.module.i32.load(filterBytes(this.layer.words), 4, record.get))];
  }

  store(count: Expression, pixel: number): Expression[] {
    const { i32 } = this.code.module;
    const sign = i32.or(i32.shr_s(i32.sub(this.#most.get, count), this.code.i32(31)), this.code.i32(1));
    return [i32.store8(pixel * this.layer.map[0], 1, this.#out.get, sign)];
  }

  nextChannel(): Expression[] {
    return [this.#out.advance(1)];
  }

  nextBlock(pixels: number): Expression[] {
    return pixels === 1 ? [] : [this.#out.advance((pixels - 1) * this.layer.map[0])];
  }

  nextRow(): Expression[] {
    return [];
  }
}

class EpilogueEnding implements Ending {
  readonly runs: Ending["runs"];
  readonly #writer: OutputWriter;

  constructor(
    code: Code,
    private readonly layer: BinaryConvLayer,
    epilogue: Epilogue,
  ) {
    this.runs = [{ count: layer.map[0], withShortcut: false }];
    this.#writer = new OutputWriter(code, epilogue, layer.output);
  }

  start(): Expression[] {
    return this.#writer.start();
  }

  load(): Expression[] {
    return [];
  }

  store(count: Expression, pixel: number, record: Local): Expression[] {
    return this.#writer.store(count, record, filterBytes(this.layer.words), pixel * this.layer.map[0]);
  }

  nextChannel(): Expression[] {
    return this.#writer.advance(1);
  }

  nextBlock(pixels: number): Expression[] {
    return this.#writer.advance((pixels - 1) * this.layer.map[0]);
  }

  nextRow(): Expression[] {
    return [];
  }
}
