/** What emits a kernel. */
import type { Code, Expression } from "./code.ts";

/** Loads a slice of weights.bin: (to, from, bytes). */
export type LoadWeights = (to: Expression, from: Expression, bytes: Expression) => Expression;

/** What kernels may need of the module around them. */
export interface EmitContext {
  readonly loadWeights: LoadWeights;
  /** Where the layer's slice of weights.bin begins, for layers that load their weights themselves. */
  readonly weightsAt: () => Expression;
  /** Calls the host's kernel of that name. */
  readonly native: (kernel: string, descriptor: Expression) => Expression;
  /** Address of the exit's threshold. */
  readonly threshold: number;
}

/**
 * The body of a layer's function. Layers that differ only in their name and in where their weights lie share one, so that
 * the body must not depend on these.
 * @returns nothing, but for the exit: whether the sample is done, as an i32
 */
export type Emitter<Layer> = (code: Code, layer: Layer, context: EmitContext) => Expression;
