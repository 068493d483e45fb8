/** A plan as text: what `hedge compile --dump plan` writes. */
import type { Layer, Plan, Region, WeightSlice } from "./plan.ts";

/** Memory, then the layers of each step: kernel, what it computes, where its buffers and weights lie. */
export function planText(plan: Plan): string {
  const { name, memoryBytes, weights, steps, input, threshold, result, payload, output } = plan;
  return [
    `plan ${name}: ${memoryBytes} bytes of memory, ${weights.length} bytes of weights, ${steps.length} steps`,
    `input ${placeText(input)}, threshold @${threshold}, result ${placeText(result)}`,
    ...(payload
      ? [
          `payload ${placeText(payload)}: [${payload.shape}], ${payload.bits} bits, ${shifted("q", payload.offset)} * ${payload.scale}`,
        ]
      : []),
    ...(output
      ? [
          `output ${output.tensor}: [${output.shape}], ${shifted("n", -output.zero)} * ${output.step}${output.labels ? ", labels" : ""}`,
        ]
      : []),
    ...steps.flatMap((layers, index) => [`step ${index}`, ...layers.flatMap(layerLines)]),
    "",
  ].join("\n");
}

function layerLines(layer: Layer): string[] {
  const { name, kind, outputShape, macs, weightBits, activationBits, ...rest } = layer;
  const regions = Object.entries(rest).filter((entry): entry is [string, Region | WeightSlice] => isPlace(entry[1]));
  const places = regions.map(([key, place]) => `${key} ${placeText(place)}`);
  const why = "why" in rest && typeof rest.why === "string" ? [`    because ${rest.why}`] : [];
  return [
    `  ${name} = ${kind} : [${outputShape}], ${weightBits}-bit weights, ${activationBits}-bit activations, ${macs} MACs`,
    ...why,
    `    ${places.join(", ")}`,
  ];
}

function shifted(name: string, by: number): string {
  if (by === 0) return name;
  return `(${name} ${by < 0 ? "-" : "+"} ${Math.abs(by)})`;
}

/** Addresses are those of linear memory (@), offsets those of weights.bin (+). */
function placeText(place: Region | WeightSlice): string {
  const start = "address" in place ? `@${place.address}` : `+${place.offset}`;
  return `${start}[${place.bytes}]`;
}

function isPlace(value: unknown): value is Region | WeightSlice {
  return typeof value === "object" && value !== null && "bytes" in value && ("address" in value || "offset" in value);
}
