/** ResNet-8, -20, -32, ... for 32x32 images as a hybrid, of the form that tools/train exports: binarized edge part, exit, float cloud part. */
import type { Block, HybridShape, PayloadBits } from "./hybrid.ts";

const GROUPS = [16, 32, 64] as const;

/**
 * @param depth 6n + 2: three groups of n blocks
 * @param edgeBlocks blocks on the edge, two convolutions each; the cut follows the last of them
 */
export function hybridResNet(depth: number, edgeBlocks: number, payloadBits: PayloadBits): HybridShape {
  const perGroup = (depth - 2) / 6;
  const blocks = GROUPS.flatMap((outputs, group) =>
    Array.from({ length: perGroup }, (_, index): Block => ({ outputs, stride: group > 0 && index === 0 ? 2 : 1 })),
  );
  const layer = { kernel: [3, 3], padValue: -1 } as const;
  return {
    input: [3, 32, 32],
    first: { outputs: GROUPS[0], kernel: 3, stride: 1, padded: true },
    layers: blocks.slice(0, edgeBlocks).flatMap(({ outputs, stride }) => [
      { ...layer, outputs, stride, shortcut: stride > 1 ? ("pooled" as const) : ("identity" as const) },
      { ...layer, outputs, stride: 1, shortcut: "identity" as const },
    ]),
    exitWindow: 4,
    cloudBlocks: blocks.slice(edgeBlocks),
    classes: 10,
    payloadBits,
  };
}
