/** The model's one input: its name and dimensions. */
import { HedgeError } from "../errors.ts";
import { elementCount } from "../graph/graph.ts";
import { DATA_TYPE, type OnnxModel, type OnnxValueInfo } from "./onnx/types.ts";

/** Values of the largest sample: a device does not hold more. */
const MAX_VALUES = 1 << 20;
/** Of an image, along each axis. */
const MAX_SIDE = 4096;
/** Batch and at most a map's axes. */
const MAX_RANK = 4;
const FLOATS: readonly (number | undefined)[] = [undefined, 0, DATA_TYPE.FLOAT, DATA_TYPE.DOUBLE];

export interface ModelInput {
  readonly name: string;
  /** As the file declares them, with a batch of 1. */
  readonly dims: readonly number[];
}

/**
 * @param image its name where the metadata tell; it is an image then
 * @throws HedgeError (input) for none or several inputs, and for shapes that are not fixed
 */
export function findInput(model: OnnxModel, file: string, image?: string): ModelInput {
  // Old files list their initialisers among the inputs.
  const given = new Set(model.graph.initializer.map(({ name }) => name ?? ""));
  const inputs = model.graph.input.filter(({ name }) => !given.has(name ?? ""));
  const input = image === undefined ? inputs[0] : inputs.find(({ name }) => name === image);
  if (image !== undefined && !input?.type?.tensorType?.shape)
    throw new HedgeError(
      "input",
      `${file}: the graph has no input "${image}" with a shape.`,
      "Correct hedge.input in its metadata.",
      { code: "H108" },
    );
  if (!input?.name || (image === undefined && inputs.length !== 1))
    throw new HedgeError(
      "input",
      `${file}: the graph has ${inputs.length} inputs.`,
      "Give the model one input; make the others constants.",
      { code: "H109" },
    );
  const dims = declaredDims(input);
  checkDims(input, dims, file, image !== undefined);
  return { name: input.name, dims: [...(dims.length > 1 ? [1] : []), ...dims.slice(dims.length > 1 ? 1 : 0)] };
}

function declaredDims(input: OnnxValueInfo): number[] {
  return input.type?.tensorType?.shape?.dim.map(({ dimValue }) => Number(dimValue ?? 0)) ?? [];
}

function checkDims(input: OnnxValueInfo, dims: readonly number[], file: string, image: boolean): void {
  const refuse = (reason: string, remedy: string) => {
    throw new HedgeError("input", `${file}: input "${input.name}" ${reason}.`, remedy, { code: "H109" });
  };
  const own = dims.length > 1 ? dims.slice(1) : dims;
  const shown = `is [${["batch", ...own.map((n) => n || "?")].join(", ")}]`;
  if (image && own.length !== 3)
    refuse(
      `${shown}, expected [batch, channels, height, width] with fixed sizes`,
      "Export the model with a static image size.",
    );
  if (image && own.some((n) => n > MAX_SIDE))
    refuse(`${shown}, larger than ${MAX_SIDE} along an axis`, "Export the model with a smaller image.");
  if (own.length === 0 || dims.length > MAX_RANK || !own.every((n) => Number.isSafeInteger(n) && n >= 1))
    refuse(
      `${shown}, expected one to three axes of fixed sizes behind the batch`,
      "Export the model with a static input shape.",
    );
  if (!image && elementCount(own) > MAX_VALUES)
    refuse(`${shown}: more than ${MAX_VALUES} values`, "Use a smaller input.");
  if (!image && dims.length > 1 && dims[0]! > 1)
    refuse(`has a batch of ${dims[0]}`, "Export the model with a batch of 1, or a symbolic one.");
  if (!FLOATS.includes(input.type?.tensorType?.elemType))
    refuse("does not hold floats", "Export the model with a float32 input.");
}
