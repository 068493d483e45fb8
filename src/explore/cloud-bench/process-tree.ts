/** What a process and those that it started use, from /proc (Linux). */

import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";

export interface ProcessUse {
  /** Of user and system, of those that are there now. */
  readonly cpuSeconds: number;
  /** Resident bytes, summed. */
  readonly rss: number;
  readonly processes: number;
}

interface Entry {
  readonly pid: number;
  readonly parent: number;
  readonly ticks: number;
  readonly pages: number;
}

let facts: { readonly ticksPerSecond: number; readonly pageBytes: number } | undefined;

function systemFacts() {
  const ask = (name: string) => Number(execFileSync("getconf", [name], { encoding: "utf8" }));
  facts ??= { ticksPerSecond: ask("CLK_TCK"), pageBytes: ask("PAGESIZE") };
  return facts;
}

/** Zeros once the process is gone. */
export function useOf(pid: number): ProcessUse {
  const { ticksPerSecond, pageBytes } = systemFacts();
  const tree = treeOf(pid);
  return {
    cpuSeconds: tree.reduce((sum, { ticks }) => sum + ticks, 0) / ticksPerSecond,
    rss: tree.reduce((sum, { pages }) => sum + pages, 0) * pageBytes,
    processes: tree.length,
  };
}

/** Confines a process, those that it started and those that it will start to some cores. @throws Error where `taskset` is missing */
export function pinTo(cores: readonly number[], pid: number): void {
  for (const process of treeOf(pid)) execFileSync("taskset", ["-a", "-c", "-p", cores.join(), String(process.pid)]);
}

function treeOf(root: number): Entry[] {
  const all = readdirSync("/proc").flatMap((name) => (/^\d+$/.test(name) ? entry(Number(name)) : []));
  const tree = all.filter(({ pid }) => pid === root);
  for (const { pid } of tree) tree.push(...all.filter(({ parent }) => parent === pid));
  return tree;
}

function entry(pid: number): Entry[] {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch {
    // It ended meanwhile.
    return [];
  }
  // The name, in brackets, may hold anything; fields are counted from behind it.
  const fields = stat
    .slice(stat.lastIndexOf(")") + 2)
    .split(" ")
    .map(Number);
  return [{ pid, parent: fields[1]!, ticks: fields[11]! + fields[12]!, pages: fields[21]! }];
}
