/**
 * Cloud parts that behave, and some that do not: for tests of what runs them. They take 16 signed bytes as [1, 4, 4] and give three logits.
 */
import { type Bundle, createBundle } from "../../src/bundle/bundle.ts";
import type { PayloadSpec } from "../../src/bundle/manifest.ts";
import type { CloudModel } from "../../src/cloud/member.ts";
import { floats, int64s, model, node, value } from "../../src/import/onnx/build.ts";
import { encodeModel } from "../../src/import/onnx/codec.ts";
import { writeTensor } from "../../src/import/onnx/tensor.ts";
import { ATTRIBUTE_TYPE, DATA_TYPE, type OnnxNode, type OnnxTensor } from "../../src/import/onnx/types.ts";
import { tinyDraft, tinyWasm } from "./tiny-bundle.ts";

export const PAYLOAD: PayloadSpec = { tensor: "cut", shape: [1, 4, 4], bits: 8, bytes: 16, scale: 1, offset: 0 };

/** The payload on which the bad parts go wrong. */
export const POISON = Uint8Array.from({ length: 16 }, (_, i) => 100 + i);

/** The `i`-th of many payloads. */
export const payloadOf = (i: number): Uint8Array =>
  Uint8Array.from({ length: 16 }, (_, at) => (i * 31 + at * 7) & 0xff);

/** [pixel][class] */
const WEIGHTS = Array.from({ length: 16 }, (_, pixel) => [0, 1, 2].map((label) => ((pixel * 5 + label * 3) % 7) - 3));

/** What the good part gives for a payload, and the bad ones where they do not go wrong. */
export function logitsOf(payload: Uint8Array): number[] {
  const values = Int8Array.from(payload);
  return [0, 1, 2].map((label) => WEIGHTS.reduce((sum, row, pixel) => sum + row[label]! * values[pixel]!, 0));
}

/** Adds `extra`, a scalar or [batch, 1], to the logits. */
function part(nodes: OnnxNode[], initializers: OnnxTensor[] = [], batch: number | string = "batch"): Uint8Array {
  const extra = nodes.length > 0;
  return encodeModel(
    model({
      nodes: [
        node("Flatten", ["cut"], ["flat"]),
        node("MatMul", ["flat", "weights"], [extra ? "sums" : "logits"]),
        ...nodes,
        ...(extra ? [node("Add", ["sums", "extra"], ["logits"])] : []),
      ],
      initializers: [floats("weights", [16, 3], WEIGHTS.flat()), ...initializers],
      inputs: [value("cut", [batch, 1, 4, 4])],
      outputs: [value("logits", [batch, 3])],
    }),
  );
}

/** `distance` [batch, 1], int32: how far a sample is from the poison. */
const DISTANCE: OnnxNode[] = [
  node("Sub", ["flat", "poison"], ["difference"]),
  node("Abs", ["difference"], ["magnitude"]),
  node("ReduceSum", ["magnitude", "axis1"], ["sum"]),
  node("Cast", ["sum"], ["distance"], { to: { int: DATA_TYPE.INT32 } }),
];
const DISTANCE_CONSTANTS = [floats("poison", [1, 16], POISON), int64s("axis1", [1])];
const int32 = (name: string, number: number) => writeTensor(name, "INT32", [], Int32Array.of(number));

export const CLOUD_PARTS = {
  good: () => part([]),
  /** Divides the least integer by -1, which has no result: the processor ends the process. */
  dies: () =>
    part(
      [
        ...DISTANCE,
        node("Sub", ["distance", "one"], ["divisor"]),
        node("Div", ["lowest", "divisor"], ["quotient"]),
        node("Mul", ["quotient", "zero"], ["nothing"]),
        node("Cast", ["nothing"], ["extra"], { to: { int: DATA_TYPE.FLOAT } }),
      ],
      [...DISTANCE_CONSTANTS, int32("one", 1), int32("zero", 0), int32("lowest", -(2 ** 31))],
    ),
  /** Loops for ever. */
  hangs: () => {
    const body = model({
      nodes: [node("Identity", ["on"], ["onward"]), node("Identity", ["carried"], ["carried_on"])],
      inputs: [],
      outputs: [],
    }).graph!;
    const scalar = (name: string, elemType: number) => ({
      name,
      type: { tensorType: { elemType, shape: { dim: [] } } },
      metadataProps: [],
    });
    body.input = [scalar("turn", DATA_TYPE.INT64), scalar("on", DATA_TYPE.BOOL), scalar("carried", DATA_TYPE.FLOAT)];
    body.output = [scalar("onward", DATA_TYPE.BOOL), scalar("carried_on", DATA_TYPE.FLOAT)];
    const loop = node("Loop", ["", "poisoned", "nothing"], ["extra"]);
    const empty = { floats: [], ints: [], strings: [], tensors: [], graphs: [], sparseTensors: [], typeProtos: [] };
    loop.attribute = [{ ...empty, name: "body", type: ATTRIBUTE_TYPE.GRAPH, g: body }];
    return part(
      [
        ...DISTANCE,
        node("ReduceMin", ["distance"], ["nearest"], { keepdims: { int: 0 } }),
        node("Equal", ["nearest", "zero"], ["poisoned"]),
        loop,
      ],
      [...DISTANCE_CONSTANTS, int32("zero", 0), writeTensor("nothing", "FLOAT", [], Float32Array.of(0))],
    );
  },
  /** Fills 4 GiB. */
  swells: () =>
    part(
      [
        ...DISTANCE,
        node("ReduceMin", ["distance"], ["nearest"], { keepdims: { int: 0 } }),
        node("Equal", ["nearest", "zero"], ["poisoned"]),
        node("Where", ["poisoned", "much", "little"], ["size"]),
        node("Expand", ["nothing", "size"], ["field"]),
        node("ReduceMax", ["field"], ["extra"], { keepdims: { int: 0 } }),
      ],
      [
        ...DISTANCE_CONSTANTS,
        int32("zero", 0),
        int64s("much", [2 ** 30]),
        int64s("little", [1]),
        floats("nothing", [1], [0]),
      ],
    ),
  /** Refuses the poison, and lives. */
  refuses: () =>
    part(
      [
        ...DISTANCE,
        node("ReduceMin", ["distance"], ["nearest"], { keepdims: { int: 0 } }),
        node("Cast", ["nearest"], ["index"], { to: { int: DATA_TYPE.INT64 } }),
        node("Sub", ["minus", "index"], ["place"]),
        node("Max", ["place", "least"], ["clipped"]),
        node("Gather", ["table", "clipped"], ["extra"]),
      ],
      [
        ...DISTANCE_CONSTANTS,
        int32("zero", 0),
        writeTensor("minus", "INT64", [], BigInt64Array.of(1n)),
        writeTensor("least", "INT64", [], BigInt64Array.of(0n)),
        floats("table", [1], [0]),
      ],
    ),
  /** Takes the mean of its batch away. */
  mixes: () =>
    part([
      node("ReduceMean", ["flat"], ["mean"], { axes: { ints: [0, 1] }, keepdims: { int: 0 } }),
      node("Mul", ["mean", "mean"], ["extra"]),
    ]),
  /** Takes one sample. */
  single: () => part([], [], 1),
  /** Takes four. */
  four: () => part([], [], 4),
} satisfies Record<string, () => Uint8Array>;
export type CloudPart = keyof typeof CLOUD_PARTS;

let ids = 0;

/** A cloud part as processes take it. */
export function cloudModel(name: CloudPart): CloudModel {
  const onnx = CLOUD_PARTS[name]();
  return { id: ids++, digest: name.padEnd(64, "0"), name, onnx, input: "cut", output: "logits", payload: PAYLOAD };
}

/** A bundle with this cloud part; its device part fits no more than the manifest asks. `serial` makes several of them. */
export function cloudBundle(name: CloudPart, serial = 0): Promise<Bundle> {
  const draft = tinyDraft();
  const parts = { edgeWasm: tinyWasm(), weights: Uint8Array.of(5, 253, 1), cloudOnnx: CLOUD_PARTS[name]() };
  return createBundle({ ...draft, name: `${name}-${serial}`, payload: PAYLOAD }, parts);
}
