/**
 * x * weight + bias, of convolutions and fully connected layers. Where weights are integers on a scale per output, the graph sums products
 * of integers and multiplies by the scales behind; a bias that lies on no grid of the sum is added behind.
 */
import type { Attributes, Tensor } from "../../graph/graph.ts";
import { rangeOn } from "../../graph/grid.ts";
import { productGrid } from "../../graph/operators/product-grid.ts";
import { type Constant, checkFinite, commonValue } from "../constant.ts";
import type { ImportContext } from "../context.ts";
import type { OnnxNode } from "../onnx/types.ts";

/** The step of a bias is the accumulator's up to the rounding of its float32 scale. */
const STEP_TOLERANCE = 1e-6;

export interface Product {
  readonly op: "conv" | "gemm";
  /** The graph's tensor. */
  readonly x: string;
  /** Outputs first. */
  readonly weight: Constant;
  /** One value per output. */
  readonly bias: Constant | undefined;
  readonly attributes: Attributes;
}

type Emit = (op: string, inputs: readonly string[], attributes: Attributes) => void;

/** @param finish adds the last of the nodes, which stands for the ONNX node */
export function emitProduct(context: ImportContext, onnx: OnnxNode, product: Product, finish: Emit): void {
  const { op, x, weight, bias, attributes } = product;
  checkFinite(weight, "weight");
  if (bias) checkFinite(bias, "bias");
  const [name, output] = [onnx.input[1]!, onnx.output[0]!];
  const scales = outputScales(weight);
  const scale = scales && commonValue(scales);
  const perOutput = scale === undefined ? scales : undefined;
  const w = perOutput
    ? integerWeights(context, name, weight)
    : context.addConstant(
        name,
        weight.dims,
        weight.data,
        scale === undefined ? undefined : rangeOn(weight.data, scale),
      );

  const inputs = [x, w];
  const behind: { op: string; operand: string }[] = [];
  if (perOutput)
    behind.push({ op: "mul", operand: context.addConstant(`${name}.scales`, [perOutput.length], perOutput) });
  if (bias) {
    const types = [context.builder.tensor(x), context.builder.tensor(w)] as const;
    const inside = biasInside(context, onnx, types, bias, perOutput);
    if (inside) inputs.push(inside);
    else behind.push({ op: "add", operand: context.addConstant(onnx.input[2]!, [bias.data.length], bias.data) });
  }
  const stages = [
    { op: op as string, inputs, attributes },
    ...behind.map((each) => ({ op: each.op, inputs: [each.operand], attributes: {} })),
  ];
  let value: string[] = [];
  for (const [i, stage] of stages.entries()) {
    const operands = [...value, ...stage.inputs];
    if (i === stages.length - 1) finish(stage.op, operands, stage.attributes);
    else value = [context.helper(stage.op, operands, stage.attributes, `${output}.${i === 0 ? "product" : "scaled"}`)];
  }
}

/** The step of each output's weights, or undefined where they are no integers of one. */
function outputScales({ dims, steps }: Constant): Float64Array | undefined {
  if (!steps) return undefined;
  const outputs = dims[0]!;
  const each = steps.length / outputs;
  const scales = Array.from({ length: outputs }, (_, k) => commonValue(steps.subarray(k * each, (k + 1) * each)));
  return scales.includes(undefined) ? undefined : Float64Array.from(scales as number[]);
}

function integerWeights(context: ImportContext, name: string, { dims, data, steps }: Constant): string {
  const integers = data.map((value, i) => Math.round(value / steps![i]!));
  return context.addConstant(`${name}.integers`, dims, integers, rangeOn(integers, 1));
}

/** The bias as an input of the product itself; undefined where it is off the grid of the sum. */
function biasInside(
  context: ImportContext,
  onnx: OnnxNode,
  [x, w]: readonly [Tensor, Tensor],
  bias: Constant,
  scales: Float64Array | undefined,
): string | undefined {
  const shape = [bias.data.length];
  const name = onnx.input[2]!;
  const { steps } = bias;
  const step = x.grid && w.grid && x.grid.step * w.grid.step;
  if (step !== undefined && steps) {
    const unit = (k: number) => step * (scales ? scales[k]! : 1);
    if (steps.every((own, k) => Math.abs(own / unit(k) - 1) < STEP_TOLERANCE)) {
      const values = bias.data.map((value, k) => Math.round(value / steps[k]!) * step);
      return context.addConstant(scales ? `${name}.integers` : name, shape, values, rangeOn(values, step));
    }
  }
  if (scales) return undefined;
  const own = steps && commonValue(steps);
  const constant = context.addConstant(name, shape, bias.data, own === undefined ? undefined : rangeOn(bias.data, own));
  const off = step !== undefined && productGrid(x, w, context.builder.tensor(constant)) === undefined;
  return off ? undefined : constant;
}
