/**
 * Opening an engine for a bundle.
 */
import { compile, type Signature, Wasm3Error, type Wasm3Module } from "@aspect/wasm3";
import type { Bundle } from "../bundle/bundle.ts";
import { NATIVE_MODULE, PAGE_BYTES } from "../bundle/check.ts";
import { HedgeError } from "../errors.ts";
import { EdgeEngine } from "./edge-engine.ts";
import { ENGINE_KINDS, type Engine, type EngineKind, type SharedEngine } from "./engine.ts";
import { openV8 } from "./v8.ts";
import { openWasm3 } from "./wasm3.ts";

export interface EngineOptions {
  /** Exit threshold in nats; the manifest's where absent. */
  readonly threshold?: number | undefined;
}

const REMEDY = "Compile the model again with this version of Hedge.";

/** A module is checked once, however many engines run it. */
const checked = new WeakMap<Uint8Array, Wasm3Module>();

const signatureText = ({ params, results }: Signature) => `(${params}) -> (${results})`;

/** Both engines take only what wasm3 can run, so that what works on one works on the other. */
function checkModule({ edgeWasm, manifest }: Bundle): Wasm3Module {
  const known = checked.get(edgeWasm);
  if (known) return known;
  const module = compile(edgeWasm);
  const step = module.exports.find((entry) => entry.name === "step");
  const signatures: [name: string, found: Signature | undefined, expected: string][] = [
    ["step", step?.kind === "function" ? step : undefined, "(i32) -> (i32)"],
    ...module.imports.map((entry): [string, Signature, string] => [
      entry.name,
      entry,
      entry.module === NATIVE_MODULE ? "(i32) -> ()" : "(i32,i32,i32) -> ()",
    ]),
  ];
  for (const [name, found, expected] of signatures) {
    const actual = found ? signatureText(found) : "missing";
    if (actual !== expected)
      throw new HedgeError("input", `edge.wasm of ${manifest.name}: ${name} is ${actual}, not ${expected}.`, REMEDY);
  }
  const pages = Math.ceil(manifest.module.memoryBytes / PAGE_BYTES);
  if (module.memory?.initialPages !== pages) {
    throw new HedgeError(
      "input",
      `edge.wasm of ${manifest.name} declares ${module.memory?.initialPages ?? 0} pages of memory, not ${pages}.`,
      REMEDY,
    );
  }
  if (module.start) throw new HedgeError("input", `edge.wasm of ${manifest.name} has a start function.`, REMEDY);
  checked.set(edgeWasm, module);
  return module;
}

/**
 * Instantiates edge.wasm on wasm3 or V8. Engines of one bundle share what they can; close each when it is done.
 * Throws HedgeError: usage for an unknown kind or threshold, input for a module that cannot be run.
 */
export function openEngine(bundle: Bundle, kind: EngineKind, options: EngineOptions = {}): Engine {
  return openSharedEngine(bundle, kind, 1, options);
}

/** The same for as many devices as `images` says, which share all but their memory. Throws as `openEngine`. */
export function openSharedEngine(
  bundle: Bundle,
  kind: EngineKind,
  images: number,
  options: EngineOptions = {},
): SharedEngine {
  const { name } = bundle.manifest;
  if (!ENGINE_KINDS.includes(kind)) {
    throw new HedgeError("usage", `There is no engine "${kind}".`, `Choose one of ${ENGINE_KINDS.join(", ")}.`);
  }
  try {
    const module = checkModule(bundle);
    if (kind === "v8" && module.imports.some((entry) => entry.module === NATIVE_MODULE))
      throw new HedgeError(
        "usage",
        `edge.wasm of ${name} calls native kernels, which the V8 engine does not have.`,
        "Run it on wasm3, or compile it with --kernels portable.",
      );
    if (images > 1 && !module.memoryIsState)
      throw new HedgeError("input", `edge.wasm of ${name} keeps state outside of its memory.`, REMEDY);
    const opened = kind === "wasm3" ? openWasm3(bundle, module, images) : openV8(bundle, images);
    const engine = new EdgeEngine(kind, bundle.manifest, opened);
    if (options.threshold !== undefined) engine.threshold = options.threshold;
    return engine;
  } catch (cause) {
    if (
      !(
        cause instanceof Wasm3Error ||
        cause instanceof WebAssembly.LinkError ||
        cause instanceof WebAssembly.RuntimeError
      )
    )
      throw cause;
    throw new HedgeError("input", `edge.wasm of ${name} cannot be run on ${kind}: ${cause.message}`, REMEDY, { cause });
  }
}
