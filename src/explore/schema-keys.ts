/** The keys of a configuration file, from its JSON Schema: what a page lists. */

/** As much of JSON Schema as zod's types come to. */
export interface JsonSchema {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
}

export interface Key {
  /** As `groups[].link.loss`. */
  readonly path: string;
  /** What may stand there. */
  readonly values: string;
  readonly isRequired: boolean;
  /** As it would be written; "" where there is none. */
  readonly byDefault: string;
  readonly description: string;
}

/** Quantities by a unit that their patterns name. */
const QUANTITIES: readonly (readonly [unit: string, name: string])[] = [
  ["ms|s|m|h", "duration"],
  ["bit\\/s", "bit rate"],
  ["mWh", "energy"],
  ["uW", "power"],
  ["ppm", "ppm"],
  ["%", "share"],
  ["kB", "size"],
];

/** Every key, each behind the one that it stands in. A key of several alternatives is one, with the words of all. */
export function schemaKeys(schema: JsonSchema): Key[] {
  const keys = new Map<string, Key>();
  walk(schema, "", (key) => {
    const known = keys.get(key.path);
    keys.set(key.path, known ? merged(known, key) : key);
  });
  return [...keys.values()];
}

function walk(schema: JsonSchema, path: string, found: (key: Key) => void, alternative = ""): void {
  for (const branch of branches(schema)) {
    if (branch.items) walk(branch.items, `${path}[]`, found);
    const kind = branch.properties?.kind?.const;
    const of = kind === undefined ? alternative : `${kind}: `;
    for (const [name, property] of Object.entries(branch.properties ?? {})) {
      const at = path === "" ? name : `${path}.${name}`;
      const { description } = property;
      found({
        path: at,
        values: [...new Set(branches(property).map(valuesOf))].filter((values) => values !== "0").join(" or "),
        isRequired: branch.required?.includes(name) ?? false,
        byDefault: writtenDefault(property.default),
        description: description === undefined ? "" : `${of}${description}`,
      });
      walk(property, at, found, of);
    }
  }
}

/** A schema's alternatives, and theirs; a schema without is its own. */
function branches(schema: JsonSchema): readonly JsonSchema[] {
  const alternatives = schema.anyOf ?? schema.oneOf;
  return alternatives ? alternatives.flatMap(branches) : [schema];
}

function valuesOf({ type, const: only, enum: several, pattern = "", items, minimum, maximum }: JsonSchema): string {
  if (only !== undefined) return String(only);
  if (several) return several.map(String).join(", ");
  if (type === "array") return `list of ${items?.type === "object" ? "mappings" : "values"}`;
  if (type === "object") return "mapping";
  const quantity = QUANTITIES.find(([unit]) => pattern.includes(unit));
  if (quantity) return quantity[1];
  if (type === "integer") return maximum === undefined ? `${minimum ?? 0} or more` : `${minimum} to ${maximum}`;
  return type === "string" ? "text" : "number";
}

/** An empty mapping says nothing but what its keys' own defaults say. */
function writtenDefault(value: unknown): string {
  if (value === undefined) return "";
  if (typeof value !== "object" || value === null) return String(value);
  const entries = Object.entries(value).map(([name, inner]) => `${name}: ${inner}`);
  return entries.length === 0 ? "" : `{ ${entries.join(", ")} }`;
}

function merged(a: Key, b: Key): Key {
  const both = (x: string, y: string, joint: string) =>
    x === y || y === "" ? x : x === "" ? y : x.split(joint).includes(y) ? x : `${x}${joint}${y}`;
  return {
    path: a.path,
    values: both(a.values, b.values, ", "),
    isRequired: a.isRequired && b.isRequired,
    byDefault: both(a.byDefault, b.byDefault, ", "),
    description: both(a.description, b.description, "; "),
  };
}
