/** Files that people write in YAML: read when they are of a modest size, and held to a schema. */
import { type Document, isCollection, isNode, LineCounter, parseDocument, type YAMLError } from "yaml";
import type { z } from "zod";
import { HedgeError } from "./errors.ts";
import { readCapped } from "./files.ts";

const MAX_YAML_BYTES = 1 << 20;
/** Aliases that a file may resolve: few lines of YAML can stand for more than fits a memory. */
const MAX_ALIASES = 100;
/** Further mistakes that one error names. */
const MOST_ISSUES = 5;

/**
 * Reads `path` and checks it.
 * @param kind as `hedge schema` calls it: what remedies point to
 * @throws HedgeError (input) that names the file, and every key that is wrong
 */
export async function readYaml<Schema extends z.ZodType>(
  path: string,
  schema: Schema,
  kind: string,
): Promise<z.output<Schema>> {
  const remedy = `\`hedge schema ${kind}\` prints what such a file may say.`;
  const bytes = await readCapped(path, MAX_YAML_BYTES, `Give the path of a YAML file. ${remedy}`);
  return checkYaml(new TextDecoder().decode(bytes), path, schema, kind);
}

/** As `readYaml`, for text that is there already; `path` is what errors call it. */
export function checkYaml<Schema extends z.ZodType>(
  text: string,
  path: string,
  schema: Schema,
  kind: string,
): z.output<Schema> {
  const remedy = `\`hedge schema ${kind}\` prints what such a file may say.`;
  const { document, lines, value } = parseYaml(text, path);
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.flatMap((issue) => mistakesIn(issue));
  const sentences = issues.slice(0, MOST_ISSUES).map((issue) => {
    const { path: keys, message } = issue;
    const at = issue.code === "unrecognized_keys" ? [...keys, issue.keys[0]!] : keys;
    return `${keys.length === 0 ? "" : `${keyOf(keys)}: `}${message} (line ${lineOf(document, lines, at)})`;
  });
  if (issues.length > MOST_ISSUES) sentences.push(`and ${issues.length - MOST_ISSUES} more`);
  throw new HedgeError("input", `${path} is not right: ${sentences.join("; ")}.`, remedy);
}

function parseYaml(text: string, path: string): { document: Document; lines: LineCounter; value: unknown } {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  try {
    if (document.errors.length > 0) throw document.errors[0];
    // An empty file says nothing: whatever has a default has it.
    return { document, lines, value: document.toJS({ maxAliasCount: MAX_ALIASES }) ?? {} };
  } catch (cause) {
    const { message, linePos } = cause as Partial<YAMLError> & Error;
    const where = linePos ? ` (line ${linePos[0].line}, column ${linePos[0].col})` : "";
    // The rest of the message shows the line.
    const what = message.split(/ at line|\n/, 1)[0];
    throw new HedgeError("input", `${path} is not YAML: ${what}${where}.`, "Correct that line.", { cause });
  }
}

type Issue = z.core.$ZodIssue;

/** Where a thing may be one of several kinds, and is of one of them but for something in it: what that is. */
function mistakesIn(issue: Issue): Issue[] {
  if (issue.code !== "invalid_union") return [issue];
  const within = ({ path, code }: Issue) => path.length > 0 || code === "unrecognized_keys";
  const [meant, ...others] = issue.errors.filter((kind) => kind.every(within));
  if (meant === undefined || others.length > 0) return [issue];
  return meant.flatMap((each) => mistakesIn({ ...each, path: [...issue.path, ...each.path] }));
}

/** Of what the keys lead to, or of the last thing on the way that is there. */
function lineOf(document: Document, lines: LineCounter, keys: readonly PropertyKey[]): number {
  let node: unknown = document.contents;
  for (const key of keys) {
    const next = isCollection(node) ? node.get(key, true) : undefined;
    if (!isNode(next)) break;
    node = next;
  }
  const start = isNode(node) ? (node.range?.[0] ?? 0) : 0;
  return lines.linePos(start).line;
}

/** groups[2].arrivals.every */
function keyOf(keys: readonly PropertyKey[]): string {
  return keys
    .map((key) => (typeof key === "number" ? `[${key}]` : `.${String(key)}`))
    .join("")
    .replace(/^\./, "");
}
