/** The native kernels: called as a module calls them, held to plain loops, and given descriptors that lie. */
import { load, NATIVE_KERNELS, Wasm3Error } from "@aspect/wasm3";
import binaryen from "binaryen";
import fc from "fast-check";
import { expect, it } from "vitest";

const MEMORY = 65536;
const DESCRIPTOR = 0;
const DATA = 256;

/** A module whose export `run` calls the kernel with the descriptor's address. */
function caller(kernel: string): Uint8Array {
  const module = new binaryen.Module();
  module.setMemory(1, 1, "memory");
  module.addFunctionImport("kernel", "hedge_native", kernel, binaryen.i32, binaryen.none);
  const call = module.call("kernel", [module.i32.const(DESCRIPTOR)], binaryen.none);
  module.addFunction("run", binaryen.none, binaryen.none, [], call);
  module.addFunctionExport("run", "run");
  const bytes = module.emitBinary();
  module.dispose();
  return bytes;
}

const CALLERS = new Map(NATIVE_KERNELS.map((name) => [name, caller(name)]));

function run(kernel: string, memory: Uint8Array): Uint8Array {
  const instance = load(CALLERS.get(kernel)!, { memoryLimit: MEMORY });
  try {
    instance.memory.write(0, memory);
    instance.call("run");
    return instance.memory.read(0, MEMORY);
  } finally {
    instance.free();
  }
}

const extent = fc.integer({ min: 1, max: 7 });
const window = fc
  .record({
    channels: fc.constantFrom(1, 3, 8, 9, 16, 31, 32, 33, 64, 65),
    height: extent,
    width: extent,
    outputs: fc.integer({ min: 1, max: 5 }),
    kernel: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
    strides: fc.tuple(fc.integer({ min: 1, max: 2 }), fc.integer({ min: 1, max: 2 })),
    pads: fc.tuple(fc.nat(1), fc.nat(1), fc.nat(1), fc.nat(1)),
    shift: fc.integer({ min: 0, max: 12 }),
    seed: fc.nat(1e6),
  })
  .map((w) => ({
    ...w,
    outHeight: Math.floor((w.height + w.pads[0] + w.pads[2] - w.kernel[0]) / w.strides[0]) + 1,
    outWidth: Math.floor((w.width + w.pads[1] + w.pads[3] - w.kernel[1]) / w.strides[1]) + 1,
  }))
  .filter(({ outHeight, outWidth }) => outHeight >= 1 && outWidth >= 1);
type Window = typeof window extends fc.Arbitrary<infer T> ? T : never;

/** The words of a descriptor that say where the window lies. */
function windowWords({
  channels,
  height,
  width,
  outputs,
  outHeight,
  outWidth,
  kernel,
  strides,
  pads,
}: Window): number[] {
  return [channels, height, width, outputs, outHeight, outWidth, ...kernel, ...strides, ...pads];
}

function writeDescriptor(view: DataView, words: readonly number[]): void {
  for (const [i, word] of words.entries()) view.setInt32(DESCRIPTOR + 4 * i, word, true);
}

/** Memory of random bytes, the same for a seed. */
function randomMemory(seed: number): Uint8Array {
  let state = seed + 1;
  return Uint8Array.from({ length: MEMORY }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 24;
  });
}

const clip = (value: number): number => Math.min(127, Math.max(-128, value));

/** For each output pixel in order: the position of the window's first row and column. */
function* windows({ outHeight, outWidth, strides, pads }: Window): Generator<[number, number]> {
  for (let y = 0; y < outHeight; y++)
    for (let x = 0; x < outWidth; x++) yield [y * strides[0] - pads[0], x * strides[1] - pads[1]];
}

it("image_conv is a convolution", () =>
  fc.assert(
    fc.property(window, (w) => {
      const { channels, height, width, outputs, kernel, shift, seed } = w;
      const memory = randomMemory(seed);
      const view = new DataView(memory.buffer);
      const taps = channels * kernel[0] * kernel[1];
      const [input, weights, bias, output] = [DATA, 8192, 16384, 32768];
      const words = [input, output, ...windowWords(w), shift, weights, bias];
      writeDescriptor(view, words);
      for (let k = 0; k < outputs; k++) view.setInt32(bias + 4 * k, (k - 2) * 1000, true);
      const expected: number[] = [];
      for (const [top, left] of windows(w))
        for (let k = 0; k < outputs; k++) {
          let sum = view.getInt32(bias + 4 * k, true);
          let tap = 0;
          for (let c = 0; c < channels; c++)
            for (let i = top; i < top + kernel[0]; i++)
              for (let j = left; j < left + kernel[1]; j++, tap++)
                if (i >= 0 && i < height && j >= 0 && j < width)
                  sum += view.getInt8(input + (c * height + i) * width + j) * view.getInt8(weights + k * taps + tap);
          expected.push(clip(sum >> shift));
        }
      const result = new Int8Array(run("image_conv", memory).buffer, output, expected.length);
      expect([...result]).toEqual(expected);
    }),
    { numRuns: 60 },
  ));

it("binary_conv is a binarized convolution, with and without shortcuts", () =>
  fc.assert(
    fc.property(window, fc.constantFrom(0, 1, 2), fc.integer({ min: -3, max: 14 }), (w, wanted, leftShift) => {
      const { channels, height, width, outputs, kernel, shift, seed, outHeight, outWidth } = w;
      const same = outputs === channels && outHeight === height && outWidth === width;
      const pools = outHeight * 2 <= height && outWidth * 2 <= width;
      const shortcut = (wanted === 1 && !same) || (wanted === 2 && !pools) ? 0 : wanted;
      const memory = randomMemory(seed);
      const view = new DataView(memory.buffer);
      const pixelBytes = Math.ceil(channels / 8);
      const rest = channels % 8 === 0 ? 0xff : (1 << (channels % 8)) - 1;
      const [input, thresholds, padPixel, records, bits, output] = [DATA, 8192, 8448, 9216, 16384, 40000];
      const words = Math.ceil((kernel[0] * kernel[1] * pixelBytes) / 4);
      const record = 4 * words + 8;
      // A pixel's bytes hold zeros beyond its channels, in filters as in maps; behind a filter's last byte as well.
      memory[padPixel + pixelBytes - 1]! &= rest;
      for (let k = 0; k < outputs; k++) {
        const at = records + k * record;
        for (let tap = 1; tap <= kernel[0] * kernel[1]; tap++) memory[at + tap * pixelBytes - 1]! &= rest;
        memory.fill(0, at + kernel[0] * kernel[1] * pixelBytes, at + 4 * words);
        view.setInt32(at + 4 * words, (k - 1) * 3000, true);
        view.setInt32(at + 4 * words + 4, 10 * k + 7, true);
      }
      const descriptor = [
        input,
        output,
        bits,
        ...windowWords(w),
        shift,
        shortcut,
        leftShift,
        2,
        2,
        thresholds,
        padPixel,
        records,
      ];
      writeDescriptor(view, descriptor);
      const bitAt = (at: number, c: number): number => (memory[at + (c >> 3)]! >> (c & 7)) & 1;
      const stream = (y: number, x: number, c: number): number => view.getInt8(input + (y * width + x) * channels + c);
      const expected: number[] = [];
      let pixel = 0;
      for (const [top, left] of windows(w)) {
        for (let k = 0; k < outputs; k++) {
          const at = records + k * record;
          let differing = 0;
          for (let i = 0; i < kernel[0]; i++)
            for (let j = 0; j < kernel[1]; j++)
              for (let c = 0; c < channels; c++) {
                const [y, x] = [top + i, left + j];
                const inside = y >= 0 && y < height && x >= 0 && x < width;
                const sign = inside ? Number(stream(y, x, c) >= view.getInt8(thresholds + c)) : bitAt(padPixel, c);
                differing += sign ^ bitAt(at + (i * kernel[1] + j) * pixelBytes, c);
              }
          const scaled = view.getInt32(at + 4 * words, true) - view.getInt32(at + 4 * words + 4, true) * differing;
          const [oy, ox] = [Math.floor(pixel / outWidth), pixel % outWidth];
          let added = 0;
          if (shortcut === 1) added = view.getInt8(output + (oy * outWidth + ox) * outputs + k);
          else if (shortcut === 2 && k < channels)
            for (const [i, j] of [
              [0, 0],
              [0, 1],
              [1, 0],
              [1, 1],
            ] as const)
              added += stream(2 * oy + i, 2 * ox + j, k);
          expected.push(clip(Math.floor((scaled + Math.floor(added * 2 ** leftShift)) / 2 ** shift)));
        }
        pixel++;
      }
      const result = new Int8Array(run("binary_conv", memory).buffer, output, expected.length);
      expect([...result]).toEqual(expected);
    }),
    { numRuns: 120 },
  ));

it("no descriptor leads a kernel out of the memory", () => {
  const shape = [8, 4, 4, 8, 4, 4, 3, 3, 1, 1, 1, 1, 1, 1];
  const sound = new Map([
    ["image_conv", [DATA, 32768, ...shape, 4, 8192, 16384]],
    ["binary_conv", [DATA, 40000, 16384, ...shape, 12, 1, 0, 2, 2, 8192, 8448, 9216]],
    ["exit_pool", [DATA, 32768, 8, 4, 4, 2, 2, 1, 8192]],
    ["pack_levels", [DATA, 32768, 8, 16, 2, 8192]],
  ]);
  const word = fc.oneof(fc.integer({ min: -2, max: 9 }), fc.integer({ min: 0, max: 70000 }), fc.integer());
  const outcomes = new Set<string>();
  fc.assert(
    fc.property(
      fc.constantFrom(...sound.keys()),
      fc.array(fc.tuple(fc.nat(), word), { maxLength: 3 }),
      (kernel, lies) => {
        const memory = new Uint8Array(MEMORY);
        const descriptor = [...sound.get(kernel)!];
        for (const [position, lie] of lies) descriptor[position % descriptor.length] = lie;
        writeDescriptor(new DataView(memory.buffer), descriptor);
        try {
          run(kernel, memory);
          outcomes.add("ran");
        } catch (error) {
          if (!(error instanceof Wasm3Error)) throw error;
          outcomes.add(error.message);
        }
      },
    ),
    { numRuns: 3000 },
  );
  expect([...sound.keys()].sort()).toEqual([...NATIVE_KERNELS].sort());
  expect(outcomes.size).toBeGreaterThan(7);
});

it("an import of hedge_native that is no kernel, or of another type, does not link", () => {
  expect(() => load(caller("no_kernel"))).toThrow('The import "hedge_native.no_kernel" is missing');
});
