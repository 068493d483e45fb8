/** A layer as a module of its own. */
import { emitModule } from "../../emit/module.ts";
import { GraphBuilder } from "../../graph/build.ts";
import { elementCount } from "../../graph/graph.ts";
import { planModel } from "../../plan/planner.ts";
import { randomFrom } from "../../zoo/random.ts";
import type { RunnerJob } from "../wasm3-runner.ts";
import type { LayerKind } from "./layer-kinds.ts";
import type { NaturalLayer } from "./natural-c.ts";
import { runBehindStep } from "./run-module.ts";

export interface MeasuredLayer {
  readonly job: RunnerJob;
  /** The step that is the layer, and nothing but it. */
  readonly step: number;
  readonly macs: number;
  /** What the layer computes: bytes, channels innermost. */
  readonly output: Uint8Array;
  readonly natural: NaturalLayer;
}

const STACK_BYTES = 2048;
/** Four pages: a result row of a whole feature map takes four bytes an element. */
const MEMORY_LIMIT = 4 * 65536;
const LAYER = "layer";

/**
 * Compiles the layer, and another behind it, so that the result row does not count.
 * @param shape of the input [channels, height, width]
 */
export function measuredLayer(shape: readonly [number, number, number], kind: LayerKind, next = kind): MeasuredLayer {
  const builder = new GraphBuilder(LAYER);
  const input = builder.input("input", shape, kind.grid);
  const x = kind.add(builder, kind.source?.(builder, input) ?? input, LAYER);
  const plan = planModel(builder.build([next.add(builder, x, "next")]), { memoryLimit: MEMORY_LIMIT });
  const sample = randomSample(elementCount(shape), kind);
  const job = {
    edgeWasm: emitModule(plan),
    weights: plan.weights,
    sample,
    module: {
      memoryBytes: plan.memoryBytes,
      stackBytes: STACK_BYTES,
      input: plan.input.address,
      threshold: plan.threshold,
      result: plan.result.address,
      steps: plan.steps.length,
    },
  };
  const step = plan.steps.findIndex((layers) => layers.some(({ name }) => name === LAYER));
  const { macs, output, outputShape } = plan.steps[step]![0]!;
  const region = { address: output.address, bytes: elementCount(outputShape) };
  const isImage = kind.natural.defines.PLANES === 1;
  const natural = { ...kind.natural, sample: isImage ? sample : channelsInnermost(sample, shape) };
  return { job, step, macs, output: runBehindStep(job, step, region), natural };
}

function randomSample(length: number, { grid: { min, max } }: LayerKind): Int8Array {
  const random = randomFrom(5);
  const bipolar = min === -1 && max === 1;
  return Int8Array.from({ length }, () =>
    bipolar ? 1 - 2 * Math.round(random()) : min + Math.floor(random() * (max - min + 1)),
  );
}

function channelsInnermost(map: Int8Array, [channels, height, width]: readonly [number, number, number]): Int8Array {
  return map.map((_, i) => map[(i % channels) * height * width + Math.floor(i / channels)]!);
}
