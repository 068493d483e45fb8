/** A graph as text, one line per node: what `hedge compile --dump pass` writes, and what tests of passes compare. */
import { type Attribute, elementCount, type Graph, type Tensor, tensorOf } from "./graph.ts";
import { type Grid, isPowerOfTwo } from "./grid.ts";

/** Longer lists are cut: thresholds and tables have thousands of entries. */
const SHOWN = 8;

/**
 * `name = op(inputs) {attributes} : shape, grid` per node, constants first, names as in the model. A grid is `min..max * step`;
 * a tensor without one holds arbitrary floats.
 */
export function graphText(graph: Graph): string {
  const constants = [...graph.tensors.values()].filter(({ values }) => values);
  return [
    `graph ${graph.name}`,
    `input ${graph.input} : ${typeText(tensorOf(graph, graph.input))}`,
    ...constants.map((tensor) => `const ${tensor.name} : ${typeText(tensor)}${valuesText(tensor)}`),
    ...graph.nodes.map(({ op, inputs, output, attributes }) => {
      const entries = Object.entries(attributes).map(([key, value]) => `${key}: ${attributeText(value)}`);
      const braces = entries.length > 0 ? ` {${entries.join(", ")}}` : "";
      return `${output} = ${op}(${inputs.join(", ")})${braces} : ${typeText(tensorOf(graph, output))}`;
    }),
    `outputs ${graph.outputs.join(", ")}`,
    "",
  ].join("\n");
}

function typeText({ shape, grid }: Tensor): string {
  return `[${shape}], ${grid ? gridText(grid) : "float"}`;
}

/** Steps are mostly powers of two, which are read best as such. */
export function gridText({ step, min, max }: Grid): string {
  return `${min}..${max} * ${isPowerOfTwo(step) ? `2^${Math.log2(step)}` : numberText(step)}`;
}

function valuesText({ shape, values }: Tensor): string {
  return elementCount(shape) <= SHOWN ? ` = ${listText([...values!])}` : "";
}

function attributeText(value: Attribute): string {
  if (typeof value === "number") return numberText(value);
  return typeof value === "string" ? value : listText(value);
}

function listText(values: readonly number[]): string {
  const shown = values.slice(0, SHOWN).map(numberText);
  return `[${shown.join(", ")}${values.length > SHOWN ? `, ... ${values.length} values` : ""}]`;
}

function numberText(value: number): string {
  return String(Number(value.toPrecision(9)));
}
