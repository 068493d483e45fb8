/** The command line in this process, straight from its source. */
import { vi } from "vitest";
import { createProgram } from "../../src/cli/program.ts";
import { runProgram } from "../../src/cli/run-program.ts";

export interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs `hedge ...args` and collects what it writes. One at a time. */
export async function hedge(...args: string[]): Promise<Outcome> {
  const text = { out: "", err: "" };
  const collect = (key: "out" | "err") => (chunk: string | Uint8Array) => {
    text[key] += chunk;
    return true;
  };
  const spies = [
    vi.spyOn(process.stdout, "write").mockImplementation(collect("out")),
    vi.spyOn(process.stderr, "write").mockImplementation(collect("err")),
  ];
  try {
    const code = await runProgram(createProgram(), ["node", "hedge", ...args]);
    return { code, ...text };
  } finally {
    for (const spy of spies) spy.mockRestore();
    // Each run listens for a closed pipe, and a process has one run outside of tests.
    process.stdout.removeAllListeners("error");
  }
}
