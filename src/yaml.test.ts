import { describe, expect, it } from "vitest";
import { z } from "zod";
import { checkYaml } from "./yaml.ts";

const rate = z.union([z.string(), z.strictObject({ up: z.number(), down: z.number() })]);
const schema = z.strictObject({
  name: z.string().optional(),
  rate: z.union([z.number(), z.strictObject({ mean: rate })]).optional(),
  groups: z
    .array(z.strictObject({ count: z.int().positive(), link: z.strictObject({ loss: z.number() }).optional() }))
    .default([]),
});
const read = (text: string) => checkYaml(text, "file.yaml", schema, "fleet");

describe("a file in YAML", () => {
  it("is held to its schema; an empty one says nothing", () => {
    expect(read("")).toEqual({ groups: [] });
    expect(read("name: a\ngroups:\n  - { count: 2 }\n")).toEqual({ name: "a", groups: [{ count: 2 }] });
  });

  it.each([
    ["name: a\ngroups:\n  - count: 2\n  - count: 0\n", "groups[1].count: ", "(line 4)"],
    ["name: a\n\ngroups:\n  - count: 2\n    link:\n      loss: high\n", "groups[0].link.loss: ", "(line 6)"],
    ["name: a\nspeed: 3\n", 'Unrecognized key: "speed"', "(line 2)"],
    ["groups:\n  - count: 1\n  - count: 1\n    colour: red\n", "groups[1]: ", "(line 4)"],
    ["name: a\ngroups:\n  - link: { loss: 1 }\n", "groups[0].count: ", "(line 3)"],
    ["- 1\n", "", "(line 1)"],
    ["name: a\nrate: fast\n", "rate: Invalid input", "(line 2)"],
    ["rate:\n  mean: a\n  most: b\n", 'rate: Unrecognized key: "most"', "(line 3)"],
    ["rate:\n  mean:\n    up: 1\n    down: b\n", "rate.mean.down: Invalid input: expected number", "(line 4)"],
  ])("names what is wrong, and the line: %j", (text, key, line) => {
    expect(() => read(text)).toThrow(`file.yaml is not right: ${key}`);
    expect(() => read(text)).toThrow(`${line}.`);
  });

  it.each([
    ["name: [a\n", "is not YAML"],
    ["name: a\nname: b\n", "is not YAML: Map keys must be unique (line 2"],
    [`a: &a [1]\nb: &b [${"*a,".repeat(60)}]\nc: [${"*b,".repeat(60)}]\n`, "is not YAML: Excessive alias count"],
  ])("says where it is none: %j", (text, flaw) => {
    expect(() => read(text)).toThrow(flaw);
  });
});
