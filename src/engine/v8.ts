/**
 * The fast engine: the WebAssembly of Node itself. Unlike wasm3 it always holds the whole declared page, and gigabytes of address space for
 * each memory; so the images of many devices are copied in and out of one.
 */
import type { Bundle } from "../bundle/bundle.ts";
import { type EdgeModule, weightLoader } from "./edge-engine.ts";

/** Instances of one bundle share the compiled module. */
const compiled = new WeakMap<Uint8Array, WebAssembly.Module>();

function compileOnce(edgeWasm: Uint8Array): WebAssembly.Module {
  let module = compiled.get(edgeWasm);
  if (!module) {
    module = new WebAssembly.Module(Uint8Array.from(edgeWasm));
    compiled.set(edgeWasm, module);
  }
  return module;
}

/** Memory images beside the linear memory that one of them is in. */
class Images {
  /** As instantiation left it. */
  readonly #initial: Uint8Array;
  /** None of an image that was not used, nor of the one in use. */
  readonly #stored: (Uint8Array | undefined)[];
  readonly #scratch: Uint8Array;
  #inUse = 0;
  #count = 1;

  /** @param linear the bytes of linear memory that the module uses */
  constructor(
    private readonly linear: Uint8Array,
    images: number,
  ) {
    this.#initial = linear.slice();
    this.#stored = new Array(images).fill(undefined);
    this.#scratch = new Uint8Array(linear.length);
  }

  get bytes(): number {
    return this.#count * this.linear.length;
  }

  use(image: number): void {
    this.#check(image);
    if (image === this.#inUse) return;
    const entering = this.#stored[image];
    // The place of the image that comes in serves the one that goes out.
    const place = entering ?? new Uint8Array(this.linear.length);
    this.#scratch.set(this.linear);
    this.linear.set(entering ?? this.#initial);
    place.set(this.#scratch);
    this.#stored[image] = undefined;
    this.#stored[this.#inUse] = place;
    this.#inUse = image;
    if (!entering) this.#count++;
  }

  reset(image: number): void {
    this.#check(image);
    if (image === this.#inUse) this.linear.set(this.#initial);
    else if (this.#stored[image]) this.#count--;
    this.#stored[image] = undefined;
  }

  #check(image: number): void {
    if (!(image in this.#stored)) throw new RangeError(`There is no image ${image}.`);
  }
}

export function openV8(bundle: Bundle, imageCount: number): EdgeModule {
  const instance = new WebAssembly.Instance(compileOnce(bundle.edgeWasm), {
    hedge: { load_weights: weightLoader(bundle, (at, bytes) => linear.set(bytes, at)) },
  });
  const memory = instance.exports.memory as WebAssembly.Memory;
  // Modules never grow their memory (the wasm3 engine would not let them), so the view stays attached.
  const linear = new Uint8Array(memory.buffer);
  const images = new Images(linear.subarray(0, bundle.manifest.module.memoryBytes), imageCount);
  return {
    memory: { linear: linear.length },
    step: instance.exports.step as (index: number) => number,
    readInto: (at, target) => target.set(linear.subarray(at, at + target.length)),
    write: (at, bytes) => linear.set(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length), at),
    useImage: (image) => images.use(image),
    resetImage: (image) => images.reset(image),
    get imageBytes() {
      return images.bytes;
    },
    free: () => {},
  };
}
