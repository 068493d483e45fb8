/**
 * The graph: what import builds, passes rewrite and the planner reads. One sample, no batch dimension; feature maps are
 * [channels, height, width], row-major. Every value is a real number; on tensors with a grid it is an integer times a step.
 */
import type { Grid } from "./grid.ts";

export type Attribute = number | string | readonly number[];
export type Attributes = Readonly<Record<string, Attribute>>;

export interface Node {
  readonly name: string;
  /** Key into the operator registry. */
  readonly op: string;
  readonly inputs: readonly string[];
  readonly output: string;
  readonly attributes: Attributes;
}

export interface Tensor {
  readonly name: string;
  readonly shape: readonly number[];
  /** Absent where values are arbitrary floats. */
  readonly grid?: Grid;
  /** Present on constants. */
  readonly values?: Float64Array;
}

export interface Graph {
  readonly name: string;
  readonly input: string;
  /** Outputs that must survive: exit logits and the cut, or the only output of an edge-only model. */
  readonly outputs: readonly string[];
  /** In an order in which each node's inputs come before it. */
  readonly nodes: readonly Node[];
  readonly tensors: ReadonlyMap<string, Tensor>;
}

export function tensorOf(graph: Graph, name: string): Tensor {
  const tensor = graph.tensors.get(name);
  if (!tensor) throw new Error(`graph ${graph.name}: no tensor "${name}"`);
  return tensor;
}

export function producerOf(graph: Graph, tensor: string): Node | undefined {
  return graph.nodes.find((node) => node.output === tensor);
}

export function consumersOf(graph: Graph, tensor: string): Node[] {
  return graph.nodes.filter((node) => node.inputs.includes(tensor));
}

export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** Reads a number attribute. */
export function numberOf(node: Node, key: string): number {
  const value = node.attributes[key];
  if (typeof value !== "number") throw new Error(`node "${node.name}" (${node.op}): attribute ${key} is not a number`);
  return value;
}

/** Reads a number attribute that may be left out. */
export function numberOr(node: Node, key: string, fallback: number): number {
  return node.attributes[key] === undefined ? fallback : numberOf(node, key);
}

/** Reads an attribute that is a list of numbers. */
export function numbersOf(node: Node, key: string): readonly number[] {
  const value = node.attributes[key];
  if (!Array.isArray(value)) throw new Error(`node "${node.name}" (${node.op}): attribute ${key} is not a list`);
  return value as readonly number[];
}

/** Reads a list of numbers that may be left out. */
export function numbersOr(node: Node, key: string, fallback: readonly number[]): readonly number[] {
  return node.attributes[key] === undefined ? fallback : numbersOf(node, key);
}

/** Reads an attribute that is one number for the whole tensor, or a list of one per channel: as a list. */
export function perChannelOf(node: Node, key: string): readonly number[] {
  const value = node.attributes[key];
  return typeof value === "number" ? [value] : numbersOf(node, key);
}
