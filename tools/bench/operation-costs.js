/**
 * Writes src/explore/cost/operation-costs.json: machine instructions of each operation of wasm3, read off the compiled interpreter.
 *
 *   node tools/bench/operation-costs.js
 *
 * An operation is a C function that ends by jumping to the next one (or, when it ends a loop's round or a function, by returning). Its cost is
 * that of the shortest way through it, helpers of libgcc included; memory.copy and the like cost more by the byte, which is not
 * in the table. ".taken": a branch back to a loop, ".round": what the loop's own operation does in each round. Needs `npm run build`, cc and arm-none-eabi-gcc.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ARM_BUILD } from "../../dist/explore/codegen/machines.js";
import { tuneWasm3 } from "../../dist/explore/codegen/tuned-wasm3.js";
import { FLAGS, wasm3Source } from "../../dist/explore/wasm3-build.js";

const TARGET = fileURLToPath(new URL("../../src/explore/cost/operation-costs.json", import.meta.url));
const ARM_FLAGS = ARM_BUILD.flags.filter((flag) => flag.startsWith("-m"));
const defines = (build) => build.defines.map((define) => `-D${define}`);
/** Where the operations are compiled: into an object file that `object` makes in a folder. */
const MACHINES = {
  x86: { prefix: "", flags: [], object: compileStock },
  x86Popcnt: { prefix: "", flags: ["-mpopcnt"], object: compileStock },
  arm: {
    prefix: "arm-none-eabi-",
    flags: [...ARM_FLAGS, ...ARM_BUILD.operationFlags, ...defines(ARM_BUILD)],
    object: compileStock,
  },
  armTuned: {
    prefix: "arm-none-eabi-",
    flags: ARM_FLAGS,
    object: compileTuned,
  },
};
/** Helpers whose time depends on how much they move. */
const BY_THE_BYTE = new Set(["memcpy", "memmove", "memset"]);

const run = (program, args) => execFileSync(program, args, { encoding: "utf8", maxBuffer: 1 << 28 });

/** Functions by name: lists of { address, text, calls }, `calls` the symbol that the instruction's operand is. */
function disassemble(prefix, file, ...more) {
  const functions = new Map();
  let lines;
  for (const line of run(`${prefix}objdump`, ["-dr", "--no-show-raw-insn", ...more, file]).split("\n")) {
    const [, name] = /^[0-9a-f]+ <([\w.]+)>:$/.exec(line) ?? [];
    const [, address, text] = /^ *([0-9a-f]+):\t(.*)$/.exec(line) ?? [];
    const [, symbol] = /\bR_\w+(?:CALL|PLT32|PC32|JUMP24)\s+([\w.]+)/.exec(line) ?? [];
    if (name) {
      lines = [];
      functions.set(name, lines);
    } else if (symbol && lines?.length) lines.at(-1).calls = symbol;
    else if (text) lines?.push({ address: Number.parseInt(address, 16), text });
  }
  return functions;
}

const RETURN = /^(ret\b|bx\tlr|(pop|ldmia\.w\tsp!,)\s*\{.*pc\})/;
const DISPATCH = /^(jmp +\*|bx\tr|ldr(\.w)?\tpc)/;
const CALL = /^(call|blx?)\b/;
const JUMP = /^(jmp|b(?:\.n|\.w)?)\s+([0-9a-f]+) /;
const BRANCH =
  /^(?:j\w+|b(?:eq|ne|cs|cc|hs|lo|mi|pl|vs|vc|hi|ls|ge|lt|gt|le)(?:\.n|\.w)?|cbn?z)\s+(?:\w+, )?([0-9a-f]+) /;

/** Instructions of the shortest ways from the start to the dispatch of the next operation, and to a return; Infinity where there is none. */
function shortestWays(lines, costOfCall) {
  const index = new Map(lines.map(({ address }, i) => [address, i]));
  const reached = new Map([[0, 0]]);
  const ways = { next: Number.POSITIVE_INFINITY, end: Number.POSITIVE_INFINITY };
  const queue = [0];
  const visit = (i, cost) => {
    if (i === undefined || i >= lines.length || (reached.get(i) ?? Number.POSITIVE_INFINITY) <= cost) return;
    reached.set(i, cost);
    queue.push(i);
  };
  for (let i = queue.shift(); i !== undefined; i = queue.shift()) {
    const { text, calls } = lines[i];
    const cost = reached.get(i) + 1;
    const jump = JUMP.exec(text);
    const branch = BRANCH.exec(text);
    if (RETURN.test(text)) ways.end = Math.min(ways.end, cost);
    else if (DISPATCH.test(text)) ways.next = Math.min(ways.next, cost);
    else if (jump) visit(calls ? undefined : index.get(Number.parseInt(jump[2], 16)), cost);
    else if (CALL.test(text)) visit(i + 1, cost + (calls ? costOfCall(calls) : 0));
    else {
      if (branch) visit(index.get(Number.parseInt(branch[1], 16)), cost);
      visit(i + 1, cost);
    }
  }
  return ways;
}

/** Instructions from the target of the backward branch to that branch. */
function roundOf(lines) {
  const index = new Map(lines.map(({ address }, i) => [address, i]));
  for (const [i, { text }] of lines.entries()) {
    const target = index.get(Number.parseInt(BRANCH.exec(text)?.[1], 16));
    if (target <= i) return i - target + 1;
  }
  throw new Error("the operation has no loop");
}

/** Unmodified wasm3, whose operations are compiled together with its compiler. */
function compileStock(folder, { prefix, flags }) {
  const object = join(folder, "compile.o");
  const source = wasm3Source();
  const files = [`-I${source}`, "-c", join(source, "m3_compile.c"), "-o", object];
  run(compilerOf(prefix), [...FLAGS.filter((flag) => !flag.startsWith("-Wl")), ...flags, ...files]);
  return object;
}

/** Firmware's, where they have a file of their own. */
async function compileTuned(folder, { prefix, flags }) {
  const build = await tuneWasm3({ ...ARM_BUILD, name: "arm-tuned" });
  const object = join(folder, "operations.o");
  const more = [...build.wasm3.flags, ...build.operationFlags, ...defines(build), "-w"];
  run(compilerOf(prefix), [...flags, ...more, "-c", join(build.wasm3.folder, "operations.c"), "-o", object]);
  return object;
}

function compilerOf(prefix) {
  return prefix ? `${prefix}gcc` : "cc";
}

async function costsOn(machine) {
  const { prefix, flags } = machine;
  const folder = mkdtempSync(join(tmpdir(), "hedge-operations-"));
  try {
    const object = await machine.object(folder, machine);
    const library = run(compilerOf(prefix), [...flags, "-print-libgcc-file-name"]).trim();
    const helper = (name) => {
      if (BY_THE_BYTE.has(name)) return 0;
      const lines = disassemble(prefix, library, `--disassemble=${name}`).get(name);
      return lines ? shortestWays(lines, () => 0).end : 0;
    };
    const helpers = new Map();
    const costOfCall = (name) => {
      if (!helpers.has(name)) helpers.set(name, helper(name));
      return helpers.get(name);
    };
    const costs = {};
    for (const [name, lines] of disassemble(prefix, object)) {
      if (!name.startsWith("op_") || /[fF](32|64)/.test(name)) continue;
      const operation = name.slice(3);
      const { next, end } = shortestWays(lines, costOfCall);
      if (Number.isFinite(Math.min(next, end))) costs[operation] = Number.isFinite(next) ? next : end;
      if (operation === "ContinueLoopIf") costs["ContinueLoopIf.taken"] = end;
      if (operation === "Loop") costs["Loop.round"] = roundOf(lines);
    }
    return costs;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const machines = [];
for (const [name, machine] of Object.entries(MACHINES)) machines.push([name, await costsOn(machine)]);
const operations = [...new Set(machines.flatMap(([, costs]) => Object.keys(costs)))].sort();
const rows = operations.map((operation) => {
  const row = machines
    .filter(([, costs]) => operation in costs)
    .map(([name, costs]) => `"${name}": ${costs[operation]}`);
  return `  "${operation}": { ${row.join(", ")} }`;
});
writeFileSync(TARGET, `{\n${rows.join(",\n")}\n}\n`);
