/**
 * QONNX -> standard ONNX: every quantiser becomes Div, Add, Clip, a rounding, Sub and Mul, the steps of QONNX's definition in its
 * order. The result is the *grid model*: what a stock runtime computes, and what a compiled module must agree with. With steps that
 * are powers of two, all of it is exact in float32. Quantisers of constants are evaluated here.
 */
import { HedgeError } from "../../errors.ts";
import { quantRange, ROUNDING } from "../../graph/operators/quant.ts";
import { isStandardDomain, nodeTitle } from "../../import/onnx/attributes.ts";
import { floats, node as makeNode } from "../../import/onnx/build.ts";
import {
  checkScales,
  isQonnx,
  QONNX_DOMAINS,
  rangeOfNode,
  roundingOfNode,
  truncOfNode,
} from "../../import/onnx/quant-node.ts";
import type { OnnxModel, OnnxNode, OnnxTensor } from "../../import/onnx/types.ts";
import { Unsupported } from "../../import/onnx/unsupported.ts";
import { constantInput, constantsOf, dropUnused } from "./dataflow.ts";
import { type NodeChain, ROUNDING_NODES } from "./rounding.ts";

/** Clip with bounds as inputs, Round, and comparison operators that are not functions. */
const MIN_OPSET = 12;

interface Constant {
  readonly dims: readonly number[];
  readonly data: Float64Array;
}

/** What the expansion of one model shares. */
interface Work {
  readonly file: string;
  readonly constants: Map<string, OnnxTensor>;
  readonly added: OnnxTensor[];
}

/**
 * Replaces Quant, IntQuant, BipolarQuant and Trunc; tensor names stay.
 * @param file names the model in errors
 * @throws HedgeError (input) for another operator of QONNX, a rounding mode that it does not define, or an operator set below 12
 */
export function expandQuantizers(model: OnnxModel, file: string): OnnxModel {
  if (!model.graph.node.some(isQonnx)) return model;
  requireOpset(model, file);
  const work: Work = { file, constants: constantsOf(model.graph), added: [] };
  const node = model.graph.node.flatMap((each) => (isQonnx(each) ? expand(each, work) : [each]));
  const initializer = [...model.graph.initializer, ...work.added];
  return {
    ...model,
    graph: dropUnused({ ...model.graph, node, initializer }),
    opsetImport: model.opsetImport.filter(({ domain }) => !QONNX_DOMAINS.has(domain ?? "")),
  };
}

/** @throws HedgeError (input) for an operator set in which quantisers cannot be expanded */
export function requireOpset(model: OnnxModel, file: string): void {
  const opset = model.opsetImport.find(({ domain }) => isStandardDomain(domain))?.version ?? 1;
  if (Number(opset) >= MIN_OPSET) return;
  throw new HedgeError(
    "input",
    `${file} is of operator set ${opset}.`,
    `Export it with operator set ${MIN_OPSET} or later.`,
    { code: "H103" },
  );
}

function expand(node: OnnxNode, work: Work): OnnxNode[] {
  try {
    return expansionOf(node, work);
  } catch (cause) {
    if (!(cause instanceof Unsupported)) throw cause;
    const { code, message, remedy } = cause;
    throw new HedgeError("input", `${work.file}: ${nodeTitle(node)}: ${message}.`, remedy, { cause, code });
  }
}

function expansionOf(node: OnnxNode, work: Work): OnnxNode[] {
  if (!node.output[0]) throw new Unsupported("it has no output", "Export the model again.");
  switch (node.opType) {
    case "Quant":
    case "IntQuant":
      return expandQuant(node, work);
    case "BipolarQuant":
      return expandBipolar(node, work);
    case "Trunc":
      return expandTrunc(node, work);
    default:
      throw new Unsupported("this operator of QONNX cannot be expanded", "Use Quant, BipolarQuant or Trunc.");
  }
}

/** The steps from one value to the next, as nodes; the last of them is given the name of the quantiser's output. */
class Chain implements NodeChain {
  readonly nodes: OnnxNode[] = [];
  constructor(
    private readonly prefix: string,
    private readonly work: Work,
  ) {}

  op(opType: string, ...inputs: string[]): string {
    const output = `${this.prefix}/${this.nodes.length}.${opType}`;
    this.nodes.push(makeNode(opType, inputs, [output]));
    return output;
  }

  scalar(value: number): string {
    return this.constant({ dims: [], data: Float64Array.of(value) });
  }

  constant({ dims, data }: Constant): string {
    const name = `${this.prefix}/constant.${this.work.added.length}`;
    this.work.added.push(floats(name, dims, data));
    return name;
  }

  finish(last: string, output: string): OnnxNode[] {
    const node = this.nodes.at(-1);
    if (node?.output[0] === last) node.output = [output];
    else this.nodes.push(makeNode("Identity", [last], [output]));
    return this.nodes;
  }
}

function isAll(constant: Constant | undefined, value: number): boolean {
  return constant?.data.every((each) => each === value) ?? false;
}

function scalarInput(node: OnnxNode, index: number, what: string, work: Work): number {
  const constant = constantInput(work.constants, node, index, work.file);
  if (constant?.data.length === 1) return constant.data[0]!;
  throw new Unsupported(`its ${what} is not a single constant`, "Make it an initialiser with one value.");
}

/** y = (round(clip(x / scale + zero)) - zero) * scale; signed and 1 bit wide, QONNX takes the sign instead of rounding. */
function expandQuant(node: OnnxNode, work: Work): OnnxNode[] {
  const { low, high, bipolar } = rangeOfNode(node, scalarInput(node, 3, "bit width", work));
  const rounding = roundingOfNode(node);
  const x = constantInput(work.constants, node, 0, work.file);
  const scale = constantInput(work.constants, node, 1, work.file);
  const zero = constantInput(work.constants, node, 2, work.file);
  checkScales(scale?.data ?? []);
  if (x && scale && zero) {
    const round = ROUNDING[rounding]!;
    return fold(node, x, [scale, zero], work, (v, [s, z]) => {
      const scaled = Math.fround(Math.fround(v / s!) + z!);
      const level = bipolar ? (scaled >= 0 ? 1 : -1) : round(Math.min(Math.max(scaled, low), high));
      return Math.fround(Math.fround(level - z!) * s!);
    });
  }
  const [input, scaleName, zeroName] = node.input as [string, string, string];
  const chain = new Chain(node.output[0]!, work);
  const shifts = !isAll(zero, 0);
  const scales = !isAll(scale, 1);
  let y = scales ? chain.op("Div", input, scaleName) : input;
  if (shifts) y = chain.op("Add", y, zeroName);
  if (bipolar) y = signOf(chain, y);
  else y = ROUNDING_NODES[rounding]!(chain, chain.op("Clip", y, chain.scalar(low), chain.scalar(high)));
  if (shifts) y = chain.op("Sub", y, zeroName);
  if (scales) y = chain.op("Mul", y, scaleName);
  return chain.finish(y, node.output[0]!);
}

/** +1 where x >= 0, -1 elsewhere (Sign would give 0 at 0). */
function signOf(chain: Chain, x: string): string {
  return chain.op("Where", chain.op("GreaterOrEqual", x, chain.scalar(0)), chain.scalar(1), chain.scalar(-1));
}

/** y = sign(x) * scale, with sign(0) = +1. */
function expandBipolar(node: OnnxNode, work: Work): OnnxNode[] {
  const x = constantInput(work.constants, node, 0, work.file);
  const scale = constantInput(work.constants, node, 1, work.file);
  checkScales(scale?.data ?? []);
  if (x && scale) return fold(node, x, [scale], work, (v, [s]) => (v >= 0 ? 1 : -1) * s!);
  const chain = new Chain(node.output[0]!, work);
  const sign = signOf(chain, node.input[0]!);
  return chain.finish(isAll(scale, 1) ? sign : chain.op("Mul", sign, node.input[1]!), node.output[0]!);
}

/**
 * Drops low bits: the integer behind x (rounded to rid it of float noise) is divided by a power of two,
 * clipped to the output's bit width and rounded.
 */
function expandTrunc(node: OnnxNode, work: Work): OnnxNode[] {
  const parameters = truncOfNode(node, (position, role) => scalarInput(node, position, role, work));
  const { scale, zero, outputScale, rounding } = parameters;
  const { low, high } = quantRange(parameters.bits, parameters.signed === 1, parameters.narrow === 1);
  const divisor = 2 ** parameters.shift;
  const chain = new Chain(node.output[0]!, work);
  let y = chain.op("Add", chain.op("Div", node.input[0]!, chain.scalar(scale)), chain.scalar(zero));
  y = chain.op("Div", chain.op("Round", y), chain.scalar(divisor));
  y = ROUNDING_NODES[rounding]!(chain, chain.op("Clip", y, chain.scalar(low), chain.scalar(high)));
  y = chain.op("Mul", chain.op("Sub", y, chain.scalar(zero / divisor)), chain.scalar(outputScale));
  return chain.finish(y, node.output[0]!);
}

/** Evaluates a quantiser of constants; its parameters are broadcast to the shape of `x`. */
function fold(
  node: OnnxNode,
  x: Constant,
  parameters: readonly Constant[],
  work: Work,
  evaluate: (value: number, parameters: readonly number[]) => number,
): OnnxNode[] {
  const output = node.output[0]!;
  const picks = parameters.map((parameter) => broadcast(parameter, x.dims));
  const data = Float32Array.from(x.data, (value, i) =>
    evaluate(
      value,
      picks.map((pick) => pick(i)),
    ),
  );
  const tensor = floats(output, x.dims, data);
  work.added.push(tensor);
  work.constants.set(output, tensor);
  return [];
}

/** For the i-th element of a tensor of shape `dims`, the parameter's value there (axes are matched from the last). */
function broadcast(parameter: Constant, dims: readonly number[]): (i: number) => number {
  const { data } = parameter;
  if (data.length === 1) return () => data[0]!;
  const own = [...new Array(Math.max(0, dims.length - parameter.dims.length)).fill(1), ...parameter.dims];
  if (own.length > dims.length || own.some((dim, axis) => dim !== 1 && dim !== dims[axis])) {
    throw new Unsupported(
      `a parameter of the shape [${parameter.dims}] does not fit [${dims}]`,
      "Give one value, or one per channel.",
    );
  }
  return (i) => {
    let at = 0;
    let stride = 1;
    for (let axis = dims.length - 1, rest = i; axis >= 0; axis--) {
      const position = rest % dims[axis]!;
      rest = (rest - position) / dims[axis]!;
      if (own[axis] !== 1) at += position * stride;
      stride *= own[axis]!;
    }
    return data[at]!;
  };
}
