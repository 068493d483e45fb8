/** A layer that the host computes: its kernel is called with the address of the descriptor, which came with the weights. */
import type { NativeLayer } from "../plan/plan.ts";
import type { Emitter } from "./emitter.ts";

export const emitNative: Emitter<NativeLayer> = (code, layer, { native }) =>
  native(layer.kernel, code.i32(layer.scratch.address));
