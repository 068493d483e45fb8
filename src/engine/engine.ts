/**
 * What runs edge.wasm. Two engines, one interface, identical bytes: wasm3 is what a device has, V8 is fast.
 */
import type { Manifest } from "../bundle/manifest.ts";

export type EngineKind = "wasm3" | "v8";
export const ENGINE_KINDS: readonly EngineKind[] = ["wasm3", "v8"];

/** Entropies and thresholds cross the module's boundary as integers of 2^-16 nats. */
export const ENTROPY_SCALE = 1 << 16;

/** What one sample came to on the device. */
export interface EdgeResult {
  /** Index of the exit's answer, or of an edge-only model's; -1 where its output is no vector of logits. */
  readonly label: number;
  /** Whether the exit rule accepts the answer; if not, `payload` goes to the cloud. Always true of edge-only models. */
  readonly exited: boolean;
  /** Entropy of the exit's softmax, in 2^-16 nats; 0 of edge-only models. */
  readonly entropy: number;
  /** The exit's logits in units of the manifest's `exit.logitStep`, or the integers of an edge-only model's `output`. */
  readonly logits: Int32Array;
  /** Packed features at the cut; undefined when the sample exited or the model is edge-only. */
  readonly payload: Uint8Array | undefined;
}

/** A running edge module: one device's worth of state. */
export interface Engine {
  readonly kind: EngineKind;
  readonly manifest: Manifest;
  /** In nats. Takes effect with the next sample; 0 offloads everything, Infinity nothing. Edge-only models have none. */
  threshold: number;
  /** Memory that the engine takes for this module, as far as it can tell. */
  readonly memory: EngineMemory;
  /** Puts a sample into the module: the bytes that the manifest's `input` describes. */
  begin(input: Int8Array): void;
  /** Runs one bounded step; true when the result is there. */
  step(): boolean;
  /** The result of the sample begun last; only after `step` said true. */
  result(): EdgeResult;
  /** begin, step until done, result. */
  classify(input: Int8Array): EdgeResult;
  /** A copy of `bytes` bytes of linear memory: between steps, what the layers have left there. */
  peek(address: number, bytes: number): Uint8Array;
  /** Frees what the engine holds; using it afterwards throws. */
  close(): void;
}

/** One compiled module for many devices: each has a memory image of its own, of which one is in use at a time, at first image 0. */
export interface SharedEngine extends Engine {
  /** The module works on that image from now on; a sample under way is given up. At its first use an image is as after instantiation. */
  use(image: number): void;
  /** The device started again: its image is as after instantiation, and takes no memory until it is used again. */
  reset(image: number): void;
  /** Bytes of all images that are in use or were used. */
  readonly imageBytes: number;
}

export interface EngineMemory {
  /** Linear memory in bytes. */
  readonly linear: number;
  /** wasm3: compiled metacode in bytes, on this host's pointer size. */
  readonly metacode?: number;
  /** wasm3: value stack in bytes. */
  readonly stack?: number;
}
