/** onnxruntime, thinly: a model, batches in, named outputs out. */
import * as ort from "onnxruntime-node";
import { HedgeError } from "../errors.ts";

/** Float32 values, row-major. */
export interface FloatTensor {
  readonly dims: readonly number[];
  readonly data: Float32Array;
}

export interface OrtOptions {
  /** Threads of one run; 1 leaves the other cores alone. */
  readonly threads?: number;
  /** "all" is what people run; "disabled" is for comparing with it. */
  readonly optimization?: "all" | "disabled";
}

export class OrtModel {
  private constructor(
    private readonly session: ort.InferenceSession,
    private readonly file: string,
  ) {}

  /**
   * @param file names the model in errors
   * @throws HedgeError (input) when onnxruntime refuses the model
   */
  static async open(bytes: Uint8Array, file: string, options: OrtOptions = {}): Promise<OrtModel> {
    const { threads = 1, optimization = "all" } = options;
    try {
      const session = await ort.InferenceSession.create(bytes, {
        intraOpNumThreads: threads,
        interOpNumThreads: 1,
        executionMode: "sequential",
        graphOptimizationLevel: optimization,
        // Warnings are about initialisers of no use to the user; errors are thrown anyway.
        logSeverityLevel: 3,
      });
      return new OrtModel(session, file);
    } catch (cause) {
      throw new HedgeError(
        "input",
        `onnxruntime refuses ${file}: ${firstLine(cause)}`,
        "Check the model with the tool that exported it.",
        { cause },
      );
    }
  }

  /** @throws HedgeError (input) when the inputs do not fit, or an output is not float32 */
  async run(
    inputs: Readonly<Record<string, FloatTensor>>,
    outputs: readonly string[],
  ): Promise<Map<string, FloatTensor>> {
    const feeds = Object.fromEntries(
      Object.entries(inputs).map(([name, { data, dims }]) => [name, new ort.Tensor("float32", data, dims)]),
    );
    let results: ort.InferenceSession.OnnxValueMapType;
    try {
      results = await this.session.run(feeds, [...outputs]);
    } catch (cause) {
      throw new HedgeError(
        "input",
        `onnxruntime cannot run ${this.file}: ${firstLine(cause)}`,
        "Check that the inputs have the names and shapes of the model.",
        { cause },
      );
    }
    const out = new Map<string, FloatTensor>();
    for (const name of outputs) {
      const tensor = results[name];
      if (!(tensor?.data instanceof Float32Array)) {
        throw new HedgeError(
          "input",
          `Output "${name}" of ${this.file} is not float32.`,
          "Export the model in float32.",
        );
      }
      out.set(name, { dims: tensor.dims, data: tensor.data });
    }
    return out;
  }

  /** Frees the session's memory. */
  async close(): Promise<void> {
    await this.session.release();
  }
}

function firstLine(cause: unknown): string {
  return (cause instanceof Error ? cause.message : String(cause)).split("\n")[0]!.slice(0, 300);
}
