/**
 * The kernels that the planner knows, in tiers: the fastest, which know one pattern; those that compute a layer of any kind with what follows; and
 * the one for what is left over.
 */
import { draftBinaryConv } from "./binary-conv.ts";
import { draftBipolarConv } from "./bipolar-conv.ts";
import { draftCopy } from "./copy.ts";
import { draftDense } from "./dense.ts";
import { draftDepthwiseConv } from "./depthwise-conv.ts";
import { draftExitPool } from "./exit-pool.ts";
import type { Kernel } from "./kernel.ts";
import { draftLaneConv } from "./lane-conv.ts";
import { draftNativeBinaryConv } from "./native-binary-conv.ts";
import { nativeExitPool } from "./native-exit.ts";
import { draftNativeImageConv } from "./native-image-conv.ts";
import { draftPlaneConv } from "./plane-conv.ts";
import { draftPointwise } from "./pointwise.ts";
import { draftAveragePool, draftMaxPool } from "./pool.ts";
import type { KernelProfile } from "./profile.ts";
import type { Kernels } from "./select.ts";
import { draftTable } from "./table.ts";

function binaryKernel(name: string, draft: typeof draftNativeBinaryConv): Kernel {
  return {
    name,
    draft(match, node) {
      const sum = node.op === "quant" ? match.producer(node.inputs[0]!) : undefined;
      return sum?.op === "mul" || sum?.op === "add" ? draft(match, node, sum) : undefined;
    },
  };
}

const binaryConv = binaryKernel("binary-conv", draftBinaryConv);
const nativeBinaryConv = binaryKernel("native binary-conv", draftNativeBinaryConv);

const bipolarConv: Kernel = { name: "bipolar-conv", draft: draftBipolarConv };

const nativeImageConv: Kernel = { name: "native image-conv", draft: draftNativeImageConv };

const exitPool: Kernel = {
  name: "exit-pool",
  draft(match, node) {
    const pool = node.op === "quant" ? match.maybe("averagePool", node.inputs[0]!) : undefined;
    return pool && draftExitPool(match, node, pool);
  },
};

const nativeExit: Kernel = {
  name: "native exit-pool",
  draft(match, node) {
    const draft = exitPool.draft(match, node);
    return draft && nativeExitPool(draft);
  },
};

const table: Kernel = { name: "table", draft: draftTable };

const pointwise: Kernel = { name: "pointwise", draft: draftPointwise };

const maxPool: Kernel = { name: "max-pool", draft: draftMaxPool };

const averagePool: Kernel = { name: "average-pool", draft: draftAveragePool };

const laneConv: Kernel = { name: "lane-conv", draft: draftLaneConv };

const planeConv: Kernel = { name: "plane-conv", draft: draftPlaneConv };

const depthwiseConv: Kernel = { name: "depthwise-conv", draft: draftDepthwiseConv };

const dense: Kernel = { name: "dense", draft: draftDense };

const copy: Kernel = { name: "copy", draft: draftCopy };

const PORTABLE: Kernels = [
  [binaryConv, bipolarConv, exitPool, copy, table],
  [dense, depthwiseConv, planeConv, laneConv, maxPool, averagePool],
  [pointwise],
];

export const KERNELS: Readonly<Record<KernelProfile, Kernels>> = {
  portable: PORTABLE,
  native: [[nativeBinaryConv, nativeExit, nativeImageConv], ...PORTABLE],
};
