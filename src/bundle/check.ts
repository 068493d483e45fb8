/**
 * Whether a bundle's manifest, module and parts fit together, so that whoever runs it can trust the numbers.
 */
import type { z } from "zod";
import { HedgeError } from "../errors.ts";
import { elementCount } from "../graph/graph.ts";
import { payloadBytes } from "../wire/payload.ts";
import type { Bundle } from "./bundle.ts";
import { BUNDLE_FORMAT, BUNDLE_VERSION, type Manifest, manifestSchema, resultCount } from "./manifest.ts";

const REMEDY = "Compile the model again with this version of Hedge.";
/** A page of WebAssembly's linear memory. */
export const PAGE_BYTES = 65536;
/** The module name of imported native kernels. */
export const NATIVE_MODULE = "hedge_native";
/** More pages than any board of this class has RAM for. */
export const MAX_PAGES = 4;
/** Label, exited, entropy; logits or the output follow. */
export const RESULT_HEADER_WORDS = 3;

const invalid = (where: string, what: string) => new HedgeError("input", `${where}: ${what}.`, REMEDY);

function describeIssue(issue: z.core.$ZodIssue): string {
  const at = issue.path.join(".") || "the manifest";
  return `${at} is not what the format says (${issue.message.replace(/\.$/, "")})`;
}

/** Checks parsed JSON against the schema. `where` names the file in the error. */
export function checkManifest(raw: unknown, where: string): Manifest {
  const head = raw as { format?: unknown; version?: unknown } | null;
  if (typeof head !== "object" || head === null || head.format !== BUNDLE_FORMAT) {
    throw new HedgeError(
      "input",
      `${where} is not the manifest of a Hedge bundle.`,
      "Give the folder that `hedge compile` wrote.",
    );
  }
  if (head.version !== BUNDLE_VERSION) {
    throw invalid(
      where,
      `the bundle has format version ${JSON.stringify(head.version)}, and this Hedge reads ${BUNDLE_VERSION}`,
    );
  }
  const parsed = manifestSchema.safeParse(raw);
  if (!parsed.success) throw invalid(where, describeIssue(parsed.error.issues[0]!));
  return parsed.data;
}

/** Checks what the schema cannot: addresses, sizes and which members belong together. */
export function checkGeometry(manifest: Manifest, where: string): void {
  const { module, input, payload } = manifest;
  checkKind(manifest, where);
  const regions: [name: string, start: number, bytes: number][] = [
    ["input", module.input, module.inputBytes],
    ["threshold", module.threshold, 4],
    ["result", module.result, 4 * (RESULT_HEADER_WORDS + resultCount(manifest))],
    ...(payload ? ([["payload", module.payload, payload.bytes]] as [string, number, number][]) : []),
  ];
  if (module.memoryBytes < 1 || module.memoryBytes > MAX_PAGES * PAGE_BYTES) {
    throw invalid(where, `module.memoryBytes is ${module.memoryBytes}, outside 1 ... ${MAX_PAGES * PAGE_BYTES}`);
  }
  if (module.stackBytes < 64 || module.stackBytes > 1 << 20) {
    throw invalid(where, `module.stackBytes is ${module.stackBytes}, outside 64 ... ${1 << 20}`);
  }
  for (const [name, start, bytes] of regions) {
    if (start + bytes > module.memoryBytes) {
      throw invalid(
        where,
        `module.${name} (${bytes} bytes at ${start}) lies outside the memory of ${module.memoryBytes} bytes`,
      );
    }
  }
  if (elementCount(input.shape) * (input.bytes ?? 1) !== module.inputBytes) {
    throw invalid(where, `module.inputBytes is ${module.inputBytes}, but the input is ${input.shape.join("x")}`);
  }
  if (!payload) return;
  if (payload.shape.length !== 3) throw invalid(where, "payload.shape must be channels, height and width");
  const expected = payloadBytes(payload);
  if (payload.bytes !== expected) {
    throw invalid(
      where,
      `payload.bytes is ${payload.bytes}, but ${payload.shape.join("x")} at ${payload.bits} bits take ${expected}`,
    );
  }
  const [result, packed] = [regions[2]!, regions[3]!];
  if (result[1] < packed[1] + packed[2] && packed[1] < result[1] + result[2]) {
    throw invalid(where, "module.result and module.payload overlap");
  }
}

/** Which members make a hybrid model, which an edge-only one. */
function checkKind(manifest: Manifest, where: string): void {
  const { exit, payload, cloud, parts, output, classes } = manifest;
  const hybrid = [exit, payload, cloud, parts["cloud.onnx"]];
  if (hybrid.some((member) => Boolean(member) === Boolean(output)))
    throw invalid(where, "exit, payload, cloud and the part cloud.onnx must be there together, or output alone");
  if (!output) {
    if (classes.length < 2) throw invalid(where, `classes are ${classes.length}, and a hybrid model has at least 2`);
    return;
  }
  const named = output.labels ? elementCount(output.shape) : 0;
  if (classes.length > 0 && classes.length !== named)
    throw invalid(where, `classes are ${classes.length}, but the output has ${named} labels`);
}

/** Checks that edge.wasm is valid and has the interface that docs/architecture.md describes. */
export async function checkModule(edgeWasm: Uint8Array, where: string): Promise<void> {
  // A copy of its own: the view may be of a larger or shared buffer.
  const bytes = Uint8Array.from(edgeWasm);
  if (!WebAssembly.validate(bytes)) throw invalid(where, "edge.wasm is no valid WebAssembly module");
  const module = await WebAssembly.compile(bytes);
  for (const { module: from, name, kind } of WebAssembly.Module.imports(module)) {
    const known = (from === "hedge" && name === "load_weights") || from === NATIVE_MODULE;
    if (!known || kind !== "function") {
      throw invalid(
        where,
        `edge.wasm imports ${kind} "${from}.${name}", and only function "hedge.load_weights" and native kernels are known`,
      );
    }
  }
  const exported = new Set(WebAssembly.Module.exports(module).map(({ name, kind }) => `${kind} ${name}`));
  for (const needed of ["memory memory", "function step"]) {
    if (!exported.has(needed)) throw invalid(where, `edge.wasm does not export ${needed.replace(/ (.*)/, ' "$1"')}`);
  }
}

/** All checks on a bundle whose parts are in memory. */
export async function checkBundle(bundle: Bundle, where: string): Promise<void> {
  checkManifest(bundle.manifest, where);
  checkGeometry(bundle.manifest, where);
  await checkModule(bundle.edgeWasm, where);
}
