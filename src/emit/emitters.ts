/** The emitter of each kind of layer. */
import type { Layer } from "../plan/plan.ts";
import { emitAveragePool } from "./average-pool.ts";
import { emitBinaryConv } from "./binary-conv.ts";
import { emitCopy } from "./copy.ts";
import { emitExitDecision } from "./decision.ts";
import { emitDense } from "./dense.ts";
import { emitDepthwiseConv } from "./depthwise-conv.ts";
import type { Emitter } from "./emitter.ts";
import { emitDenseExit } from "./exit.ts";
import { emitExitPool } from "./exit-pool.ts";
import { emitLaneConv } from "./lane-conv.ts";
import { emitMaxPool } from "./max-pool.ts";
import { emitNative } from "./native.ts";
import { emitOutputs } from "./outputs.ts";
import { emitPack } from "./pack.ts";
import { emitPayload } from "./payload.ts";
import { emitPlaneConv } from "./plane-conv.ts";
import { emitPointwise } from "./pointwise.ts";
import { emitTable } from "./table.ts";

type Emitters = { readonly [Kind in Layer["kind"]]: Emitter<Extract<Layer, { kind: Kind }>> };

const EMITTERS: Emitters = {
  "average-pool": emitAveragePool,
  "binary-conv": emitBinaryConv,
  copy: emitCopy,
  dense: emitDense,
  "dense-exit": emitDenseExit,
  "exit-decision": emitExitDecision,
  "depthwise-conv": emitDepthwiseConv,
  "exit-pool": emitExitPool,
  "lane-conv": emitLaneConv,
  native: emitNative,
  "max-pool": emitMaxPool,
  outputs: emitOutputs,
  pack: emitPack,
  payload: emitPayload,
  "plane-conv": emitPlaneConv,
  pointwise: emitPointwise,
  table: emitTable,
};

export function emitterOf(layer: Layer): Emitter<Layer> {
  // The table's type ties each kind to its layer; the lookup by a kind that is known only now does not.
  return EMITTERS[layer.kind] as Emitter<Layer>;
}
