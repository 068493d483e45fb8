import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";

const NEED = join(import.meta.dirname, "need.sh");
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "hedge-need-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** Runs need.sh as user `uid`, with an apt-get that only writes down how it was called. */
async function need(uid: number, ...pairs: string[]) {
  const apt = join(folder, "apt.log");
  const programs = { id: `echo ${uid}`, "apt-get": `echo "$@" >>${apt}` };
  for (const [name, line] of Object.entries(programs)) {
    await writeFile(join(folder, name), `#!/bin/sh\n${line}\n`, { mode: 0o755 });
  }
  const env = { ...process.env, PATH: [folder, process.env.PATH].join(delimiter) };
  const ended = await new Promise<{ code: number; stderr: string }>((resolve) => {
    const child = execFile(NEED, pairs, { env }, (_error, _stdout, stderr) =>
      resolve({ code: child.exitCode ?? -1, stderr }),
    );
  });
  return { ...ended, apt: await readFile(apt, "utf8").catch(() => "") };
}

it("does nothing when every program is there", async () => {
  expect(await need(0, "bash:bash", "sh:dash")).toEqual({ code: 0, stderr: "", apt: "" });
});

it("tells people who are not root what to run", async () => {
  const { code, stderr, apt } = await need(1000, "bash:bash", "no-such-a:package-a", "no-such-b:package-b");
  expect(code).toBe(1);
  expect(stderr).toBe("Missing: no-such-a no-such-b. Run: sudo apt-get install package-a package-b\n");
  expect(apt).toBe("");
});

it("installs for root what is missing, and nothing else", async () => {
  const { code, apt } = await need(0, "bash:bash", "no-such-a:package-a");
  expect(code).toBe(0);
  expect(apt).toBe("update -qq\ninstall -y --no-install-recommends package-a\n");
});
