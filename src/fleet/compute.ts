/**
 * Who runs the devices' modules. A fleet's devices share compiled code; each has a memory image of its own, which is put in place before
 * its module runs. Modules are exact, so that which thread runs a sample, and when, changes no byte.
 */
import type { EngineKind } from "../engine/engine.ts";

/** One sample on one device. */
export interface EdgeJob {
  /** Place of the device in the fleet, from 0; its memory image goes with it. */
  readonly device: number;
  /** Place of its bundle among the fleet's. */
  readonly bundle: number;
  /** Exit threshold in nats. */
  readonly threshold: number;
  /** Place of the sample in the bundle's data set. */
  readonly sample: number;
}

/** What it came to. */
export interface EdgeOutcome {
  readonly label: number;
  readonly exited: boolean;
  /** 2^-16 nats. */
  readonly entropy: number;
  /** Packed features at the cut where it was not exited. */
  readonly payload: Uint8Array | undefined;
}

export interface ComputeMemory {
  /** Bytes of memory images, all devices together. */
  readonly images: number;
  /** Compiled code and value stacks, all threads together, as far as engines tell. */
  readonly shared: number;
}

export interface Compute {
  readonly kind: EngineKind;
  /** Resolves in any order. */
  run(job: EdgeJob): Promise<EdgeOutcome>;
  /** The cloud part's label for a payload of that bundle, on onnxruntime. */
  finish(bundle: number, payload: Uint8Array): Promise<number>;
  /** The device started again: its memory is as after a reset. */
  reset(device: number): void;
  /** Samples that were run on an engine so far. */
  readonly inferences: number;
  memory(): Promise<ComputeMemory>;
  close(): Promise<void>;
}
