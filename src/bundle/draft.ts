/** What a compilation says in its bundle's manifest. */
import { HedgeError } from "../errors.ts";
import { elementCount, type Graph, tensorOf } from "../graph/graph.ts";
import { bitsOf } from "../graph/grid.ts";
import type { ImportedModel } from "../import/import.ts";
import type { HybridMetadata } from "../import/metadata.ts";
import { elementOf } from "../plan/element.ts";
import type { Plan } from "../plan/plan.ts";
import type { LayerRow, ManifestDraft } from "./manifest.ts";

export const COMPILER = "hedge 0.1.0";
const MAX_INPUT_BITS = 16;

/**
 * How a host writes a sample.
 * @param graph the edge part after all passes, which may have found out what the input's integers are worth
 * @throws HedgeError (input) for a model whose input is not quantised to 16 bits at most
 */
export function inputOf({ metadata, input }: ImportedModel, graph: Graph): ManifestDraft["input"] {
  return {
    name: input.name,
    shape: [...tensorOf(graph, graph.input).shape],
    ...(input.layout && { layout: input.layout }),
    ...(metadata ? pixelsOf(metadata) : integersOf(graph)),
  };
}

export function manifestOf(
  { name, metadata }: ImportedModel,
  plan: Plan,
  { stackBytes, ...facts }: Pick<ManifestDraft, "input" | "source"> & Pick<ManifestDraft["module"], "stackBytes">,
): ManifestDraft {
  return {
    name,
    compiler: COMPILER,
    ...facts,
    classes: [...(metadata?.classes ?? [])],
    ...(metadata ? hybridMembers(plan, metadata) : { output: { ...plan.output!, shape: [...plan.output!.shape] } }),
    module: {
      memoryBytes: plan.memoryBytes,
      stackBytes,
      input: plan.input.address,
      inputBytes: elementCount(facts.input.shape) * (facts.input.bytes ?? 1),
      threshold: plan.threshold,
      result: plan.result.address,
      payload: plan.payload?.address ?? 0,
      steps: plan.steps.length,
    },
    layers: layerRows(plan),
  };
}

function pixelsOf({ input }: HybridMetadata): { pixelZero: number; pixelStep: number } {
  return { pixelZero: input.pixelZero, pixelStep: input.pixelStep };
}

/** Of a model that says nothing of pixels: the integers of its quantiser. */
function integersOf(graph: Graph): Pick<ManifestDraft["input"], "pixelZero" | "pixelStep" | "range" | "bytes"> {
  const { grid } = tensorOf(graph, graph.input);
  if (!grid || bitsOf(grid) > MAX_INPUT_BITS)
    throw new HedgeError(
      "input",
      grid
        ? `The input "${graph.input}" is quantised to ${grid.min} ... ${grid.max}, more than ${MAX_INPUT_BITS} bits.`
        : `The input "${graph.input}" is not quantised before anything else is done with it.`,
      "Put a Quant of 8 bits behind the input, say what its bytes are worth (--input ZERO:STEP), or calibrate it (--snap).",
      { code: "H110" },
    );
  const { step, min, max } = grid;
  const isPixel = max - min === 255 && min <= 0 && max >= 0;
  return {
    pixelZero: isPixel ? -min : 128 * Number(min < 0),
    pixelStep: step,
    ...(isPixel ? {} : { range: [min, max] }),
    ...(elementOf(grid).bytes === 2 && { bytes: 2 }),
  };
}

function hybridMembers({ payload, logitStep }: Plan, { exit, cut, output }: HybridMetadata) {
  const { name, logits, rule, threshold } = exit;
  const { shape, bits, bytes, scale, offset } = payload!;
  return {
    exit: { name, tensor: logits, rule, threshold, logitStep: logitStep! },
    payload: { tensor: cut, shape: [...shape], bits, bytes, scale, offset },
    cloud: { input: cut, output },
  };
}

function layerRows(plan: Plan): LayerRow[] {
  return plan.steps.flatMap((layers) =>
    layers.map((layer, index) => ({
      name: layer.name,
      kind: layer.kind,
      outputShape: [...layer.outputShape],
      weightBits: layer.weightBits,
      activationBits: layer.activationBits,
      macs: layer.macs,
      weightBytes: layer.weights.bytes,
      activationBytes: layer.output.bytes,
      // Layers that share a step: the first one counts it.
      steps: index === 0 ? 1 : 0,
    })),
  );
}
