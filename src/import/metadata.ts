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
/** What people will read holds no control characters. */
const printable = z
  .string()
  .min(1)
  .max(100)
  .regex(/^\P{Cc}*$/u, "it holds a control character");
const classes = z.array(printable).min(2).max(1000);
const input = z.object({
  name: z.string().min(1),
  // A pixel of 0 ... 255 less this is the signed byte that a device takes.
  pixelZero: z.literal(128),
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

/** Whether the file says anything of itself. */
export function hasMetadata(model: OnnxModel): boolean {
  return model.metadataProps.some(({ key }) => key?.startsWith("hedge."));
}

/** A name for people, where this is one. */
export function printableName(text: string | undefined): string | undefined {
  const parsed = printable.safeParse(text);
  return parsed.success ? parsed.data : undefined;
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
        { code: "H107" },
      );
    return value;
  };
  const check = <T>(key: string, schema: z.ZodType<T>, value: unknown): T => {
    const parsed = schema.safeParse(value);
    if (parsed.success) return parsed.data;
    const { path, message } = parsed.error.issues[0]!;
    throw malformed(file, key, path.length === 0 ? message : `${path.join(".")}: ${message}`);
  };
  const json = <T>(key: string, schema: z.ZodType<T>): T => {
    let value: unknown;
    try {
      value = JSON.parse(text(key));
    } catch (error) {
      if (error instanceof HedgeError) throw error;
      throw malformed(file, key, "it is not JSON");
    }
    return check(key, schema, value);
  };
  check("hedge.version", z.literal("1", "this compiler reads version 1"), text("hedge.version"));
  return {
    name: check("hedge.name", printable, text("hedge.name")),
    cut: text("hedge.cut"),
    output: text("hedge.output"),
    exit: json("hedge.exits", exits)[0]!,
    classes: json("hedge.classes", classes),
    input: json("hedge.input", input),
  };
}

/** The metadata of a file that says this of itself: what `readMetadata` reads. */
export function metadataProps({ name, cut, output, exit, classes, input }: HybridMetadata): Record<string, string> {
  return {
    "hedge.version": "1",
    "hedge.name": name,
    "hedge.input": JSON.stringify(input),
    "hedge.classes": JSON.stringify(classes),
    "hedge.cut": cut,
    "hedge.exits": JSON.stringify([exit]),
    "hedge.output": output,
  };
}

function malformed(file: string, key: string, problem: string): HedgeError {
  const sentence = `${file}: metadata "${key}" is malformed (${problem.replace(/\.$/, "")}).`;
  return new HedgeError("input", sentence, "Correct it as docs/model-format.md says.", { code: "H107" });
}
