import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import { expect, it } from "vitest";
import { builtFile } from "../../test/support/built.ts";

/** Starts a program, says what is to be looked for, and ends in a way that nobody waits for. */
const PARENT = `
const { spawnTied } = await import(process.argv[1]);
const child = spawnTied("sleep", ["infinity"], { stdio: "ignore" }, () => console.log("cleaned"));
process.on("SIGTERM", () => process.exit(7));
setInterval(() => {}, 1_000);
console.log(child.pid);
`;

it("a program ends with the process that started it", async () => {
  const args = ["--input-type=module", "-e", PARENT, builtFile("explore/tied-child.js").href];
  const parent = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  const lines: string[] = [];
  const reader = createInterface(parent.stdout).on("line", (line) => lines.push(line));
  await once(reader, "line");
  const [pid] = lines as [string];
  expect(existsSync(`/proc/${pid}`)).toBe(true);
  const ended = once(parent, "close");
  parent.kill("SIGTERM");
  expect(await ended).toEqual([7, null]);
  expect(lines).toEqual([pid, "cleaned"]);
  while (existsSync(`/proc/${pid}`)) await pause(20);
}, 120_000);
