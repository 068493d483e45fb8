/** Plan -> edge.wasm. One function per kernel shape, and `step`, which runs the step it is asked for. */
import binaryen from "binaryen";
import type { Layer, Plan } from "../plan/plan.ts";
import { Code, type Expression, type Module, type Types } from "./code.ts";
import type { LoadWeights } from "./emitter.ts";
import { emitterOf } from "./emitters.ts";

const LOAD_WEIGHTS = "load_weights";
const NATIVE_MODULE = "hedge_native";
export const PAGE_BYTES = 65536;

/**
 * @returns the binary of a module with the interface that docs/architecture.md describes
 * @throws Error when binaryen finds the module invalid, which is a defect of a kernel
 */
export function emitModule(plan: Plan): Uint8Array {
  return withModule(plan, (module) => module.emitBinary());
}

/** The same module as WebAssembly text, for people. */
export function moduleText(plan: Plan): string {
  return withModule(plan, (module) => module.emitText());
}

function withModule<T>(plan: Plan, use: (module: Module) => T): T {
  const module = new binaryen.Module();
  try {
    module.setFeatures(binaryen.Features.MVP | binaryen.Features.BulkMemory | binaryen.Features.BulkMemoryOpt);
    const pages = Math.ceil(plan.memoryBytes / PAGE_BYTES);
    module.setMemory(pages, pages, "memory");
    const types: Types = { none: binaryen.none, i32: binaryen.i32, i64: binaryen.i64 };
    const { i32 } = types;
    module.addFunctionImport(LOAD_WEIGHTS, "hedge", LOAD_WEIGHTS, binaryen.createType([i32, i32, i32]), types.none);
    for (const kernel of nativeKernels(plan))
      module.addFunctionImport(kernel, NATIVE_MODULE, kernel, types.i32, types.none);
    new StepEmitter(module, types, plan).emit();
    if (!module.validate()) throw new Error("binaryen rejects the emitted module: a kernel is wrong");
    return use(module);
  } finally {
    module.dispose();
  }
}

/** The host's kernels that a plan calls. */
function nativeKernels({ layers }: Plan): Set<string> {
  return new Set(layers.flatMap((layer) => (layer.kind === "native" ? [layer.kernel] : [])));
}

/** Consecutive steps that run the same function on weights of the same size, one slice after another. */
interface Run {
  readonly firstStep: number;
  readonly layers: Layer[];
  readonly functions: string[];
  count: number;
}

class StepEmitter {
  readonly #functions = new Map<string, string>();

  constructor(
    private readonly module: Module,
    private readonly types: Types,
    private readonly plan: Plan,
  ) {}

  emit(): void {
    const { module, types } = this;
    const code = new Code(module, types, [types.i32]);
    const step = code.parameter(0);
    // Steps are tried in order; each run of steps ends in a return.
    const body = this.#runs().map((run) => {
      const last = run.firstStep + run.count - 1;
      return module.if(module.i32.le_u(step.get, code.i32(last)), code.block(...this.#runStep(code, run)));
    });
    module.addFunction(
      "step",
      types.i32,
      types.i32,
      [...code.localTypes],
      module.block(null, [...body, module.return(code.i32(1))], types.none),
    );
    module.addFunctionExport("step", "step");
  }

  #runs(): Run[] {
    const runs: Run[] = [];
    this.plan.steps.forEach((layers, index) => {
      const functions = layers.map((layer) => this.#functionOf(layer));
      const previous = runs.at(-1);
      if (previous && continues(previous, layers, functions)) previous.count++;
      else runs.push({ firstStep: index, layers: [...layers], functions, count: 1 });
    });
    return runs;
  }

  /** Loads the step's weights, calls its kernels, returns whether the sample is done. */
  #runStep(code: Code, run: Run): Expression[] {
    const { module } = this;
    const calls = run.layers.flatMap((layer, i): Expression[] => {
      const name = run.functions[i]!;
      const stride = align8(layer.weights.bytes);
      // Behind the base of the run's first slice, one stride per step.
      const base = layer.weights.offset - run.firstStep * stride;
      const from =
        run.count === 1
          ? code.i32(layer.weights.offset)
          : module.i32.add(module.i32.mul(code.parameter(0).get, code.i32(stride)), code.i32(base));
      if (layer.loadsItself) {
        const call = module.call(name, [from], resultOf(layer, this.types));
        if (!decides(layer)) return [call];
        // The last step ends the sample, whatever the exit rule says.
        return this.#isLast(run) ? [module.drop(call), module.return(code.i32(1))] : [module.return(call)];
      }
      const call = module.call(name, [], this.types.none);
      if (layer.weights.bytes === 0) return [call];
      return [this.#loadWeights(code.i32(layer.scratch.address), from, code.i32(layer.weights.bytes)), call];
    });
    if (decides(run.layers.at(-1)!)) return calls;
    return [...calls, module.return(code.i32(this.#isLast(run) ? 1 : 0))];
  }

  #isLast(run: Run): boolean {
    return run.firstStep + run.count === this.plan.steps.length;
  }

  readonly #loadWeights: LoadWeights = (to, from, bytes) =>
    this.module.call(LOAD_WEIGHTS, [to, from, bytes], this.types.none);

  /** The function of a layer, emitted when it is first needed. */
  #functionOf(layer: Layer): string {
    const key = functionKey(layer);
    const known = this.#functions.get(key);
    if (known) return known;
    const name = `${layer.kind}-${this.#functions.size}`;
    const parameters = layer.loadsItself ? [this.types.i32] : [];
    const code = new Code(this.module, this.types, parameters);
    const body = emitterOf(layer)(code, layer, {
      loadWeights: this.#loadWeights,
      weightsAt: () => code.parameter(0).get,
      native: (kernel, descriptor) => this.module.call(kernel, [descriptor], this.types.none),
      threshold: this.plan.threshold,
    });
    const takes = binaryen.createType(parameters);
    this.module.addFunction(name, takes, resultOf(layer, this.types), [...code.localTypes], body);
    this.#functions.set(key, name);
    return name;
  }
}

/** Layers with equal keys differ in what is said of them and in where their weights lie, and in nothing else: they share one function. */
function functionKey(layer: Layer): string {
  const { weights, ...rest } = layer;
  return JSON.stringify({ ...rest, name: "", why: "", weightBits: 0, activationBits: 0, weightBytes: weights.bytes });
}

/** Whether a layer says if the sample is done. */
function decides({ kind }: Layer): boolean {
  return kind === "dense-exit" || kind === "exit-decision";
}

function resultOf(layer: Layer, types: Types): number {
  return decides(layer) ? types.i32 : types.none;
}

function continues(run: Run, layers: readonly Layer[], functions: readonly string[]): boolean {
  const [layer] = layers;
  const [first] = run.layers;
  if (layers.length !== 1 || run.layers.length !== 1 || functions[0] !== run.functions[0]) return false;
  const stride = align8(first!.weights.bytes);
  return (
    layer!.weights.bytes === first!.weights.bytes &&
    layer!.weights.offset === first!.weights.offset + run.count * stride
  );
}

function align8(bytes: number): number {
  return Math.ceil(bytes / 8) * 8;
}
