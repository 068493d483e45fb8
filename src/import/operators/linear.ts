/** Conv, Gemm and MatMul by constant weights. */
import { elementCount } from "../../graph/graph.ts";
import { broadcastIndices, type Constant, gathered } from "../constant.ts";
import type { ImportContext } from "../context.ts";
import { asStored, inOrder, positionsOf, type View } from "../layout.ts";
import { floatAttribute, intAttribute, intsAttribute } from "../onnx/attributes.ts";
import type { OnnxNode } from "../onnx/types.ts";
import { Unsupported } from "../onnx/unsupported.ts";
import { emitProduct, type Product } from "./product.ts";
import { asMap, graphAxisOf, requireValue, withChannels } from "./support.ts";
import { readWindow } from "./windows.ts";

export function importConv(context: ImportContext, onnx: OnnxNode): void {
  const weight = context.constant(onnx, 1, "weight");
  const { dims } = weight;
  if (dims.length !== 3 && dims.length !== 4)
    throw new Unsupported(`its weight has ${dims.length} dimensions`, "Only 1-D and 2-D convolutions compile.");
  const x = asMap(context, context.activation(onnx, 0));
  if (x.dims.length !== dims.length)
    throw new Unsupported(`its weight is [${dims}] for an input of [${x.dims}]`, "Correct the shapes.", "H203");
  const kernel = dims.slice(2);
  requireValue(intsAttribute(onnx, "kernel_shape", kernel), kernel, "kernel_shape");
  const { strides, pads, dilations } = readWindow(onnx, kernel, context.builder.tensor(x.tensor).shape);
  const group = intAttribute(onnx, "group", 1);
  if (!(group >= 1)) throw new Unsupported(`its group is ${group}`, "Use one group or more.");
  const shape = [dims[0]!, dims[1]!, ...(dims.length === 3 ? [1] : []), ...kernel];
  const bias = onnx.input[2] ? context.constant(onnx, 2, "bias") : undefined;
  if (bias && (bias.dims.length !== 1 || bias.data.length !== dims[0]))
    throw new Unsupported(
      `bias has ${bias.data.length} values for ${dims[0]} output channels`,
      "Give one per output.",
      "H203",
    );
  const attributes = { strides, pads, dilations, group, padValue: 0 };
  const product: Product = { op: "conv", x: x.tensor, weight: { ...weight, dims: shape }, bias, attributes };
  emitProduct(context, onnx, product, (op, inputs, rest) => context.emitMap(onnx, op, inputs, rest, x));
}

export function importGemm(context: ImportContext, onnx: OnnxNode): void {
  const x = context.activation(onnx, 0);
  const [rows, columns] = intAttribute(onnx, "transA", 0) ? [1, 0] : [0, 1];
  if (x.dims.length !== 2 || x.dims[rows] !== 1)
    throw new Unsupported(`its input has the shape [${x.dims}]`, "Give it one vector, [batch, values].", "H203");
  const weight = context.constant(onnx, 1, "weight");
  if (weight.dims.length !== 2)
    throw new Unsupported(`its weight has the shape [${weight.dims}]`, "Give it two dimensions.", "H203");
  const turned = intAttribute(onnx, "transB", 0) ? weight : transposed(weight);
  const bias = onnx.input[2] ? context.constant(onnx, 2, "bias") : undefined;
  const outputs = turned.dims[0]!;
  const spread = bias && gathered(bias, [outputs], broadcastIndices(bias.dims, [1, outputs]));
  const [alpha, beta] = [floatAttribute(onnx, "alpha", 1), floatAttribute(onnx, "beta", 1)];
  if (!Number.isFinite(alpha) || alpha === 0 || !Number.isFinite(beta))
    throw new Unsupported(
      `its alpha is ${alpha} and its beta ${beta}`,
      "Use finite factors, and an alpha other than 0.",
    );
  const scaledBias = spread && beta !== 0 ? scaled(spread, beta) : undefined;
  vector(context, onnx, { ...x, dims: [1, x.dims[columns]!] }, scaled(turned, alpha), scaledBias);
}

/** By a constant on the right; of maps and signals along the last axis, as a 1x1 convolution. */
export function importMatMul(context: ImportContext, onnx: OnnxNode): void {
  const x = context.activation(onnx, 0);
  const weight = context.constant(onnx, 1, "right operand");
  const rank = x.dims.length;
  const size = x.dims[rank - 1]!;
  if (weight.dims.length !== 2 || weight.dims[0] !== size)
    throw new Unsupported(
      `it multiplies [${x.dims}] by [${weight.dims}]`,
      `Give it a matrix of ${size} rows on the right.`,
      "H203",
    );
  const turned = transposed(weight);
  if (elementCount(x.dims) === size) {
    vector(context, onnx, x, turned, undefined);
    return;
  }
  if (rank > 4)
    throw new Unsupported(`its input has the shape [${x.dims}]`, "Give it at most four dimensions.", "H203");
  const laid = withChannels(context, x, rank - 1);
  if (graphAxisOf(laid, rank - 1) !== 0 || context.builder.tensor(laid.tensor).shape.length !== 3)
    throw new Unsupported(`its input has the shape [${x.dims}]`, "Give it a vector, a signal or a map.", "H203");
  const outputs = turned.dims[0]!;
  const channel = laid.perm[rank - 1]!;
  const stored = laid.stored.map((n, axis) => (axis === channel ? outputs : n));
  const view = { stored, perm: laid.perm, dims: laid.perm.map((axis) => stored[axis]!) };
  const attributes = { strides: [1, 1], pads: [0, 0, 0, 0], dilations: [1, 1], group: 1, padValue: 0 };
  const kernel = { ...turned, dims: [outputs, size, 1, 1] };
  const product: Product = { op: "conv", x: laid.tensor, weight: kernel, bias: undefined, attributes };
  emitProduct(context, onnx, product, (op, inputs, rest) => context.emit(onnx, op, inputs, rest, view));
}

function transposed(weight: Constant): Constant {
  const [rows, columns] = weight.dims as [number, number];
  const indices = Array.from(weight.data, (_, i) => (i % rows) * columns + Math.floor(i / rows));
  return gathered(weight, [columns, rows], indices);
}

function scaled(constant: Constant, factor: number): Constant {
  if (factor === 1) return constant;
  const { data, steps, ...rest } = constant;
  const times = Math.abs(factor);
  return { ...rest, data: data.map((v) => v * factor), ...(steps && { steps: steps.map((step) => step * times) }) };
}

/** A vector times weights [outputs, inputs]; elements that lie in another order turn the weights' columns, not the vector. */
function vector(context: ImportContext, onnx: OnnxNode, x: View, weight: Constant, bias: Constant | undefined): void {
  const [outputs, inputs] = weight.dims as [number, number];
  if (elementCount(x.dims) !== inputs)
    throw new Unsupported(
      `weights are [${weight.dims}], expected [outputs, ${elementCount(x.dims)}]`,
      "Correct the shapes.",
      "H203",
    );
  const columns = new Int32Array(inputs);
  for (const [i, position] of positionsOf(x).entries()) columns[position] = i;
  const indices = Array.from(weight.data, (_, i) => Math.floor(i / inputs) * inputs + columns[i % inputs]!);
  const flat = context.shaped(x.tensor, [inputs], inOrder(x) ? x.name : undefined);
  const view = asStored(flat, [...x.dims.slice(0, -1), outputs]);
  const product: Product = {
    op: "gemm",
    x: flat,
    weight: gathered(weight, weight.dims, indices),
    bias,
    attributes: {},
  };
  emitProduct(context, onnx, product, (op, names, rest) => context.emit(onnx, op, names, rest, view));
}
