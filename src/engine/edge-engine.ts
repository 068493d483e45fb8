/**
 * What all engines have in common: the protocol of edge.wasm (see docs/architecture.md). An engine adds only how a
 * module is instantiated, called, and its memory copied.
 */
import type { Bundle } from "../bundle/bundle.ts";
import { RESULT_HEADER_WORDS } from "../bundle/check.ts";
import { type Manifest, resultCount } from "../bundle/manifest.ts";
import { HedgeError } from "../errors.ts";
import { type EdgeResult, ENTROPY_SCALE, type EngineKind, type EngineMemory, type SharedEngine } from "./engine.ts";

/** A running instance of edge.wasm. */
export interface EdgeModule {
  readonly memory: EngineMemory;
  /** Calls the export `step`; a trap is thrown as an Error. */
  step(index: number): number;
  /** Fills `target` from linear memory. */
  readInto(at: number, target: Uint8Array): void;
  write(at: number, bytes: Uint8Array | Int8Array): void;
  /** As an engine's `use`, `reset` and `imageBytes`. */
  useImage(image: number): void;
  resetImage(image: number): void;
  readonly imageBytes: number;
  free(): void;
}

/** The import `hedge.load_weights`, given how the engine writes to its memory. Throws what the module may not ask for. */
export function weightLoader(bundle: Bundle, write: (at: number, bytes: Uint8Array) => void) {
  const { weights, manifest } = bundle;
  const { memoryBytes } = manifest.module;
  return (toI32: number, fromI32: number, bytesI32: number): void => {
    const [to, from, bytes] = [toI32 >>> 0, fromI32 >>> 0, bytesI32 >>> 0];
    if (from + bytes > weights.length || to + bytes > memoryBytes) {
      throw new HedgeError(
        "input",
        `edge.wasm of ${manifest.name} asks for ${bytes} bytes of weights at ${from} (of ${weights.length}) to address ${to} (of ${memoryBytes}).`,
        "Compile the model again with this version of Hedge.",
      );
    }
    write(to, weights.subarray(from, from + bytes));
  };
}

/** Nats to the module's threshold: 2^-16 nats, saturated to a positive i32. */
export function thresholdWord(nats: number): number {
  return Math.min(Math.round(nats * ENTROPY_SCALE), 2 ** 31 - 1);
}

type Phase = "idle" | "running" | "done";

export class EdgeEngine implements SharedEngine {
  readonly kind: EngineKind;
  readonly manifest: Manifest;
  readonly memory: EngineMemory;
  #module: EdgeModule | undefined;
  #threshold = 0;
  #phase: Phase = "idle";
  #next = 0;
  readonly #thresholdBytes = new Uint8Array(4);
  readonly #resultBytes: Uint8Array;

  constructor(kind: EngineKind, manifest: Manifest, module: EdgeModule) {
    this.kind = kind;
    this.manifest = manifest;
    this.memory = module.memory;
    this.#module = module;
    this.#resultBytes = new Uint8Array(4 * (RESULT_HEADER_WORDS + resultCount(manifest)));
    if (manifest.exit) this.threshold = manifest.exit.threshold;
  }

  get threshold(): number {
    return this.#threshold;
  }

  set threshold(nats: number) {
    if (!(nats >= 0)) {
      throw new HedgeError("usage", `The exit threshold is ${nats}.`, "Give a number of nats that is 0 or more.");
    }
    if (!this.manifest.exit) {
      throw new HedgeError(
        "usage",
        `${this.manifest.name} is an edge-only model: it has no exit that a threshold could apply to.`,
        "Leave the threshold out.",
      );
    }
    this.#threshold = nats;
  }

  begin(input: Int8Array): void {
    const module = this.#open();
    const { module: layout, input: spec, name } = this.manifest;
    if (input.length !== layout.inputBytes) {
      throw new HedgeError(
        "input",
        `A sample for ${name} has ${input.length} bytes; ${layout.inputBytes} are needed.`,
        `Give a sample of the shape ${spec.shape.join("x")}.`,
      );
    }
    new DataView(this.#thresholdBytes.buffer).setInt32(0, thresholdWord(this.#threshold), true);
    module.write(layout.input, input);
    module.write(layout.threshold, this.#thresholdBytes);
    this.#phase = "running";
    this.#next = 0;
  }

  step(): boolean {
    const module = this.#open();
    if (this.#phase !== "running") throw new Error("step() was called without a sample to work on.");
    const index = this.#next++;
    const answer = this.#run(module, index);
    if (answer === 1) this.#phase = "done";
    else if (answer !== 0) throw this.#broken(`step ${index} answered ${answer}, which means nothing`);
    else if (this.#next >= this.manifest.module.steps) {
      throw this.#broken(`there was no result after all ${this.manifest.module.steps} steps`);
    }
    return answer === 1;
  }

  result(): EdgeResult {
    const module = this.#open();
    if (this.#phase !== "done") throw new Error("result() was called before the sample was done.");
    const { module: layout, payload: spec } = this.manifest;
    module.readInto(layout.result, this.#resultBytes);
    const view = new DataView(this.#resultBytes.buffer);
    const word = (index: number) => view.getInt32(4 * index, true);
    const [label, exited, entropy] = [word(0), word(1), word(2)];
    if (!this.#possible(label, exited, entropy)) {
      throw this.#broken(`its result is label ${label}, exited ${exited}, entropy ${entropy}, which cannot be`);
    }
    const logits = Int32Array.from({ length: resultCount(this.manifest) }, (_, i) => word(RESULT_HEADER_WORDS + i));
    let payload: Uint8Array | undefined;
    if (exited === 0 && spec) {
      payload = new Uint8Array(spec.bytes);
      module.readInto(layout.payload, payload);
    }
    return { label, exited: exited === 1, entropy, logits, payload };
  }

  #possible(label: number, exited: number, entropy: number): boolean {
    const { output } = this.manifest;
    const labelled = label >= 0 && label < resultCount(this.manifest);
    if (!output) return labelled && (exited === 0 || exited === 1) && entropy >= 0;
    return (output.labels ? labelled : label === -1) && exited === 1 && entropy === 0;
  }

  classify(input: Int8Array): EdgeResult {
    this.begin(input);
    while (!this.step());
    return this.result();
  }

  peek(address: number, bytes: number): Uint8Array {
    const copy = new Uint8Array(bytes);
    this.#open().readInto(address, copy);
    return copy;
  }

  use(image: number): void {
    this.#phase = "idle";
    this.#open().useImage(image);
  }

  reset(image: number): void {
    this.#phase = "idle";
    this.#open().resetImage(image);
  }

  get imageBytes(): number {
    return this.#open().imageBytes;
  }

  close(): void {
    this.#module?.free();
    this.#module = undefined;
  }

  #open(): EdgeModule {
    if (!this.#module) throw new Error("The engine was closed.");
    return this.#module;
  }

  #run(module: EdgeModule, index: number): number {
    try {
      return module.step(index);
    } catch (cause) {
      this.#phase = "idle";
      if (cause instanceof HedgeError) throw cause;
      throw this.#broken(`step ${index} failed (${cause instanceof Error ? cause.message : String(cause)})`, cause);
    }
  }

  #broken(what: string, cause?: unknown): HedgeError {
    this.#phase = "idle";
    return new HedgeError(
      "input",
      `edge.wasm of ${this.manifest.name} on ${this.kind}: ${what}.`,
      "Compile the model again; if it happens again, it is a defect of Hedge.",
      { cause },
    );
  }
}
