/** Typed access to a node's attributes; each throws a HedgeError when the attribute has another type. */
import { HedgeError } from "../../errors.ts";
import { ATTRIBUTE_TYPE, type Int64, type OnnxAttribute, type OnnxNode, type OnnxTensor } from "./types.ts";

/** How errors name a node: its operator and its own name or first output. */
export function nodeTitle(node: OnnxNode): string {
  return `${node.opType ?? "node"} "${node.name || node.output[0] || "?"}"`;
}

/** The domain of the standard operators has two spellings. */
export function isStandardDomain(domain: string | undefined): boolean {
  return domain === undefined || domain === "" || domain === "ai.onnx";
}

function find(node: OnnxNode, name: string, type: keyof typeof ATTRIBUTE_TYPE): OnnxAttribute | undefined {
  const found = node.attribute.find((attribute) => attribute.name === name);
  // IR version 1 left the type out.
  if (found?.type && found.type !== ATTRIBUTE_TYPE[type]) {
    throw new HedgeError(
      "input",
      `Attribute "${name}" of ${nodeTitle(node)} is not of type ${type}.`,
      "Export it again.",
      { code: "H202" },
    );
  }
  return found;
}

function safe(node: OnnxNode, name: string, value: Int64): number {
  const number = Number(value);
  if (Number.isSafeInteger(number)) return number;
  throw new HedgeError(
    "input",
    `Attribute "${name}" of ${nodeTitle(node)} is ${value}, beyond 2^53.`,
    "Export it again.",
    { code: "H202" },
  );
}

export function intAttribute<D>(node: OnnxNode, name: string, fallback: D): number | D {
  const found = find(node, name, "INT");
  return found ? safe(node, name, found.i ?? 0) : fallback;
}

export function intsAttribute<D>(node: OnnxNode, name: string, fallback: D): number[] | D {
  return find(node, name, "INTS")?.ints.map((value) => safe(node, name, value)) ?? fallback;
}

export function floatAttribute<D>(node: OnnxNode, name: string, fallback: D): number | D {
  const found = find(node, name, "FLOAT");
  return found ? (found.f ?? 0) : fallback;
}

export function floatsAttribute<D>(node: OnnxNode, name: string, fallback: D): number[] | D {
  return find(node, name, "FLOATS")?.floats ?? fallback;
}

export function stringAttribute<D>(node: OnnxNode, name: string, fallback: D): string | D {
  const found = find(node, name, "STRING");
  return found ? new TextDecoder().decode(found.s) : fallback;
}

export function tensorAttribute(node: OnnxNode, name: string): OnnxTensor | undefined {
  return find(node, name, "TENSOR")?.t;
}
