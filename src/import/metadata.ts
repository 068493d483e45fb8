/** What a model file says of itself in its ONNX metadata: where to cut, where the exits are, how an image enters. */
import { z } from "zod";
import { HedgeError } from "../errors.ts";
import type { OnnxModel } from "./onnx/types.ts";

const exits = z
  .array(
    z.object({
      name: z.string().min(1),
      logits: z.string().min(1),
      rule: z.literal("entropy"),
      threshold: z.number().nonnegative(),
    }),
  )
  .length(1);
const classes = z.array(z.string().min(1).max(100)).min(2).max(1000);
const input = z.object({
  name: z.string().min(1),
  pixelZero: z.int().min(0).max(255),
  pixelStep: z.number().positive(),
});

export interface HybridMetadata {
  readonly name: string;
  /** The tensor whose values an offloaded sample sends. */
  readonly cut: string;
  /** The final logits. */
  readonly output: string;
  readonly exit: z.infer<typeof exits>[number];
  readonly classes: readonly string[];
  readonly input: z.infer<typeof input>;
}

/** @throws HedgeError when a key is missing or malformed. */
export function readMetadata(model: OnnxModel, file: string): HybridMetadata {
  const entries = new Map(model.metadataProps.map((entry) => [entry.key ?? "", entry.value ?? ""]));
  const text = (key: string): string => {
    const value = entries.get(key);
    if (value === undefined || value === "" || value.length > 1 << 16)
      throw new HedgeError(
        "input",
        `${file}: the ONNX metadata has no usable "${key}".`,
        "Export a hybrid model with tools/train, or add the hedge.* keys to metadata_props (docs/model-format.md).",
      );
    return value;
  };
  const json = <T>(key: string, schema: z.ZodType<T>): T => {
    let problem: string;
    try {
      const parsed = schema.safeParse(JSON.parse(text(key)));
      if (parsed.success) return parsed.data;
      problem = z.prettifyError(parsed.error).split("\n")[0]!;
    } catch (error) {
      if (error instanceof HedgeError) throw error;
      problem = "it is not JSON";
    }
    throw new HedgeError("input", `${file}: metadata "${key}" is malformed: ${problem}.`, "See docs/model-format.md.");
  };
  if (text("hedge.version") !== "1")
    throw new HedgeError(
      "input",
      `${file}: hedge.version is "${text("hedge.version")}", this compiler reads "1".`,
      "Update Hedge.",
    );
  return {
    name: text("hedge.name").slice(0, 100),
    cut: text("hedge.cut"),
    output: text("hedge.output"),
    exit: json("hedge.exits", exits)[0]!,
    classes: json("hedge.classes", classes),
    input: json("hedge.input", input),
  };
}
