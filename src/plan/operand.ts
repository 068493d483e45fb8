/** Operands of element-wise layers: a stored tensor, or one that a table makes of a stored tensor of bytes while it is read. */
import type { Node } from "../graph/graph.ts";
import { type Element, elementOf } from "./element.ts";
import type { Matcher } from "./matcher.ts";
import { byteChainTo, packTables, resultRows } from "./table.ts";

export interface Operand {
  /** What is read from memory. */
  readonly name: string;
  readonly element: Element;
  /** What its integers are multiplied by; in a table they are already. */
  readonly factor: number;
  readonly table?: { readonly data: Uint8Array; readonly element: Element };
  /** One value per channel, for all pixels. */
  readonly perChannel: boolean;
}

export function findOperand(match: Matcher, name: string, reader: Node, factor: number): Operand {
  const { bytes, signed } = match.storage(name, reader);
  const direct = { name, element: { bytes, signed }, factor, perChannel: false };
  // What is as narrow as the bytes that it is made of, or is stored for others anyway, is read as it is.
  if (bytes === 1 || match.readers(name).length > 1) return direct;
  return throughTable(match, name, factor) ?? direct;
}

/** A tensor of more bytes, by a table of what each byte becomes. */
function throughTable(match: Matcher, name: string, factor: number): Operand | undefined {
  const node = match.producer(name);
  const chain = node && byteChainTo(match, node);
  if (!chain) return undefined;
  const { grid, shape } = match.storage(name, node);
  const rows = resultRows(match, chain, { grid, shape });
  if (rows?.length !== 1) return undefined;
  const entries = rows[0]!.map((n) => n * factor);
  const element = elementOf({ step: 1, min: Math.min(...entries), max: Math.max(...entries) });
  const { bytes, signed } = chain.input;
  const data = packTables([entries], chain.input, element);
  return { name: chain.name, element: { bytes, signed }, factor: 1, table: { data, element }, perChannel: false };
}
