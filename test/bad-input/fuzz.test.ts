/**
 * The compiler on damaged models: whatever is in the bytes, it compiles or throws a HedgeError, soon. Bytes at random mostly end in the decoder;
 * models whose fields were changed get through to the planner.
 */
import { load } from "@aspect/wasm3";
import fc from "fast-check";
import { expect, it } from "vitest";
import { compileModel } from "../../src/bundle/compile.ts";
import { HedgeError } from "../../src/errors.ts";
import { elementCount } from "../../src/graph/graph.ts";
import { floats } from "../../src/import/onnx/build.ts";
import { encodeModel } from "../../src/import/onnx/codec.ts";
import type { OnnxAttribute, OnnxModel, OnnxTensor } from "../../src/import/onnx/types.ts";
import { hybridModel, type PayloadBits, smallShape } from "../support/hybrid-model.ts";

const MODELS = ([1, 2, 4, 8] as PayloadBits[]).map((bits) => hybridModel(smallShape({ bits, channels: 3 })));
const BYTES = MODELS.map(encodeModel);

/** How it ended; anything but a bundle that loads or a HedgeError fails the test. */
async function outcome(bytes: Uint8Array): Promise<"compiled" | "refused"> {
  try {
    const { bundle } = await compileModel(bytes, "fuzz.onnx");
    const { memoryBytes, stackBytes } = bundle.manifest.module;
    const load_weights = () => undefined;
    load(bundle.edgeWasm, { memoryLimit: memoryBytes, stackBytes, imports: { hedge: { load_weights } } }).free();
    return "compiled";
  } catch (error) {
    if (!(error instanceof HedgeError)) throw error;
    expect(error.kind).toBe("input");
    expect(error.message).toContain("fuzz.onnx");
    expect(error.message).toMatch(/[.\]]$|^ {2}/m);
    expect(error.remedy).toMatch(/^[A-Z]/);
    return "refused";
  }
}

async function holds<T>(cases: fc.Arbitrary<T>, damage: (value: T) => Uint8Array, runs: number): Promise<void> {
  const seen = new Set<string>();
  await fc.assert(
    fc.asyncProperty(cases, async (value) => {
      seen.add(await outcome(damage(value)));
    }),
    { numRuns: runs },
  );
  // Damage of one kind only would say little.
  expect([...seen].sort()).toEqual(["compiled", "refused"]);
}

const which = fc.nat(MODELS.length - 1);

it("damaged bytes", () =>
  holds(
    fc.tuple(which, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 })),
    ([index, changes]) => {
      const bytes = BYTES[index]!.slice();
      for (const [position, byte] of changes) bytes[position % bytes.length] = byte;
      return bytes;
    },
    300,
  ));

const odd = fc.constantFrom(
  0,
  1,
  2,
  3,
  4,
  5,
  7,
  8,
  31,
  64,
  255,
  -1,
  -2,
  2 ** 16,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 40,
  2 ** 53 - 1,
);
const oddFloat = fc.constantFrom(
  0,
  -0,
  1,
  -1,
  0.5,
  2,
  3,
  8,
  0.1,
  1e-30,
  2 ** -100,
  2 ** 100,
  1e30,
  Infinity,
  -Infinity,
  NaN,
);
const field = fc.record({ kind: fc.nat(8), at: fc.nat(), other: fc.nat(), integer: odd, float: oddFloat });
type Field = typeof field extends fc.Arbitrary<infer T> ? T : never;

it("changed fields", () =>
  holds(
    fc.tuple(which, fc.array(field, { minLength: 1, maxLength: 3 })),
    ([index, changes]) => {
      const model = structuredClone(MODELS[index]!);
      for (const change of changes) alter(model, change);
      return encodeModel(model);
    },
    600,
  ));

const pick = <T>(list: readonly T[], at: number): T | undefined => list[at % list.length];

function alter({ graph, metadataProps, opsetImport }: OnnxModel, { kind, at, other, integer, float }: Field): void {
  const node = pick(graph.node, at)!;
  const tensor = pick(graph.initializer, at)!;
  const attribute: OnnxAttribute | undefined = pick(node.attribute, other);
  switch (kind) {
    case 0:
      node.input[other % Math.max(1, node.input.length)] = pick(graph.node, other)?.output[0] ?? "";
      return;
    case 1:
      node.opType = pick(graph.node, other)!.opType;
      node.domain = pick(graph.node, other)!.domain;
      return;
    case 2:
      if (attribute?.ints.length) attribute.ints[other % attribute.ints.length] = integer;
      else if (attribute?.i !== undefined) attribute.i = integer;
      else if (attribute) attribute.f = float;
      return;
    case 3:
      tensor.dims[other % Math.max(1, tensor.dims.length)] = integer;
      return;
    case 4:
      graph.initializer[at % graph.initializer.length] = refilled(tensor, other, float);
      return;
    case 5: {
      const dim = graph.input[0]!.type!.tensorType!.shape!.dim;
      dim[other % dim.length] = { dimValue: integer };
      return;
    }
    case 6: {
      const entry = pick(metadataProps, at)!;
      entry.value = pick([entry.value!.slice(0, -1), "", String(integer), pick(graph.node, other)!.output[0]!], other)!;
      return;
    }
    case 7:
      if (other % 2) node.input.pop();
      else node.output[0] = pick(graph.node, other)!.output[0]!;
      return;
    default:
      pick(opsetImport, at)!.version = integer;
  }
}

/** The tensor with one value changed, or all of them. */
function refilled(tensor: OnnxTensor, other: number, float: number): OnnxTensor {
  if (tensor.dataType !== 1) return tensor;
  const values = new Float32Array(Uint8Array.from(tensor.rawData!).buffer);
  // An earlier change may have given it other dimensions, for which `floats` writes no tensor.
  if (elementCount(tensor.dims.map(Number)) !== values.length) return tensor;
  if (other % 3 === 0) values.fill(float);
  else values[other % values.length] = float;
  return floats(tensor.name!, tensor.dims.map(Number), values);
}
