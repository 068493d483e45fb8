/** The grid model: a hybrid model's QONNX file with its quantisers expanded, on onnxruntime. The truth that modules are held to. */
import { HedgeError } from "../errors.ts";
import { elementCount } from "../graph/graph.ts";
import type { HybridMetadata } from "../import/metadata.ts";
import { encodeModel } from "../import/onnx/codec.ts";
import type { OnnxModel } from "../import/onnx/types.ts";
import { withOutputs } from "../passes/onnx/dataflow.ts";
import { expandQuantizers } from "../passes/onnx/expand-quantizers.ts";
import { type PayloadLayout, packPayload } from "../wire/payload.ts";
import { OrtModel, type OrtOptions } from "./ort.ts";

/** What a batch came to; row-major, one row per image. */
export interface GridOutputs {
  /** [images, classes] */
  readonly exitLogits: Float32Array;
  /** [images, classes] */
  readonly finalLogits: Float32Array;
  /** Values of the cut tensor, [images, channels, height, width]. */
  readonly cut: Float32Array;
  readonly cutShape: readonly number[];
}

export class GridModel {
  private constructor(
    private readonly session: OrtModel,
    private readonly metadata: HybridMetadata,
    private readonly shape: readonly number[],
  ) {}

  /**
   * @param file names the model in errors
   * @throws HedgeError (input) when quantisers cannot be expanded or onnxruntime refuses the model
   */
  static async open(
    model: OnnxModel,
    metadata: HybridMetadata,
    file: string,
    options: OrtOptions = {},
  ): Promise<GridModel> {
    const { exit, output, cut, input } = metadata;
    const grid = withOutputs(expandQuantizers(model, file), [exit.logits, output, cut], file);
    const declared = grid.graph.input.find(({ name }) => name === input.name)?.type?.tensorType?.shape?.dim;
    const shape = declared?.slice(1).map(({ dimValue }) => Number(dimValue ?? 0)) ?? [];
    if (shape.length !== 3 || shape.some((size) => size < 1)) {
      throw new HedgeError(
        "input",
        `${file}: the input "${input.name}" has no fixed shape [batch, channels, height, width].`,
        "Export the model with a static image size.",
      );
    }
    return new GridModel(await OrtModel.open(encodeModel(grid), file, options), metadata, shape);
  }

  /**
   * @param images 8-bit integers (pixel - zero), CHW
   * @throws HedgeError (input) when an image is not of the model's size, or there is not one logit for each class
   */
  async run(images: readonly Int8Array[]): Promise<GridOutputs> {
    const { exit, output, cut, input, classes } = this.metadata;
    const size = elementCount(this.shape);
    const data = new Float32Array(images.length * size);
    images.forEach((image, i) => {
      if (image.length !== size) {
        throw new HedgeError(
          "input",
          `Image ${i} has ${image.length} values, the model takes ${this.shape.join(" x ")}.`,
          "Give images of the model's size.",
        );
      }
      for (let j = 0; j < size; j++) data[i * size + j] = image[j]! * input.pixelStep;
    });
    const feeds = { [input.name]: { dims: [images.length, ...this.shape], data } };
    const results = await this.session.run(feeds, [exit.logits, output, cut]);
    for (const name of [exit.logits, output]) {
      const { dims } = results.get(name)!;
      if (dims.length !== 2 || dims[1] !== classes.length) {
        throw new HedgeError(
          "input",
          `Output "${name}" has the shape [${dims}], but the model's metadata names ${classes.length} classes.`,
          "Correct hedge.classes, or export the model again.",
        );
      }
    }
    const { dims, data: values } = results.get(cut)!;
    return {
      exitLogits: results.get(exit.logits)!.data,
      finalLogits: results.get(output)!.data,
      cut: values,
      cutShape: dims.slice(1),
    };
  }

  close(): Promise<void> {
    return this.session.close();
  }
}

/**
 * The packed payload of one image from the values of its cut tensor.
 * @throws HedgeError (check) when a value is not on the layout's grid
 */
export function packCut(values: Float32Array, layout: PayloadLayout): Uint8Array {
  const levels = new Float64Array(values.length);
  for (let i = 0; i < values.length; i++) levels[i] = values[i]! / layout.scale - layout.offset;
  const odd = levels.findIndex((level) => !Number.isInteger(level));
  if (odd >= 0) {
    throw new HedgeError(
      "check",
      `The grid model's payload holds ${values[odd]}, which is no level of the bundle's payload.`,
      "Compile the bundle again from this model.",
    );
  }
  return packPayload(layout, levels);
}
