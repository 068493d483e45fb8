/** Whatever the model of wasm3's compiler emits has a cost on every machine. */
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { OPERATORS } from "../../wasm3/operators.ts";
import { COST_MACHINES } from "./estimate.ts";

const costs = JSON.parse(readFileSync(new URL("operation-costs.json", import.meta.url), "utf8")) as Record<
  string,
  Record<string, number>
>;

const CONTROL = [
  ...[
    "Entry",
    "Return",
    "Call",
    "CallRawFunction",
    "Branch",
    "Unreachable",
    "MemCopy",
    "MemFill",
    "Const32",
    "Const64",
  ],
  ...["Loop", "Loop.round", "ContinueLoop", "ContinueLoopIf", "ContinueLoopIf.taken"],
  ...["If", "BranchIf", "BranchIfPrologue"].flatMap((name) => [`${name}_r`, `${name}_s`]),
  ...["CopySlot", "PreserveCopySlot"].flatMap((name) => [`${name}_32`, `${name}_64`]),
  ...["SetSlot", "SetRegister", "PreserveSetSlot", "SetGlobal"].flatMap((name) => [`${name}_i32`, `${name}_i64`]),
  ...["GetGlobal", "SetGlobal"].flatMap((name) => [`${name}_s32`, `${name}_s64`]),
  ...["i32", "i64"].flatMap((type) => ["rss", "srs", "ssr", "sss"].map((places) => `Select_${type}_${places}`)),
];

const variants = [...OPERATORS.values()].flatMap(({ operation, operands, commutative }) => {
  const places = operands === 1 ? ["r", "s"] : commutative ? ["rs", "ss"] : ["rs", "sr", "ss"];
  return places.map((place) => `${operation}_${place}`);
});

it.each(COST_MACHINES)("on %s", (machine) => {
  const missing = [...CONTROL, ...variants].filter((name) => !((costs[name]?.[machine] ?? 0) > 0));
  expect(missing).toEqual([]);
});
