import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import { expect, it } from "vitest";
import { cloudModel, POISON } from "../../test/support/cloud-parts.ts";
import { Member, MemberDied } from "./member.ts";

const LIMITS = { runTime: 600_000, memory: 2 ** 32 };
const BELL = new Int32Array(new SharedArrayBuffer(4));

/** A parent that has its member run an endless loop, and says the member's pid when that is under way. */
const PARENT = `
import { fork } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
const [script, onnx, model, poison] = process.argv.slice(1);
const child = fork(script, [String(2 ** 32)], { serialization: "advanced", execArgv: [] });
await once(child, "message");
const { id, input, output, payload } = JSON.parse(model);
child.send({ load: { model: id, onnx: readFileSync(onnx), input, output, payload } });
await once(child, "message");
child.send({ run: { model: id, payloads: Uint8Array.from(JSON.parse(poison)), size: 1 } }, () => console.log(child.pid));
`;

it("a process that hangs ends when its parent is killed", async () => {
  const folder = await mkdtemp(join(tmpdir(), "hedge-member-"));
  const { onnx, ...model } = cloudModel("hangs");
  await writeFile(join(folder, "cloud.onnx"), onnx);
  const script = new URL("./member-process.js", import.meta.url).pathname;
  const args = [script, join(folder, "cloud.onnx"), JSON.stringify(model), JSON.stringify(Array.from(POISON))];
  const parent = spawn(process.execPath, ["--input-type=module", "-e", PARENT, ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [pid] = (await once(createInterface(parent.stdout), "line")) as [string];
  expect(existsSync(`/proc/${pid}`)).toBe(true);
  parent.kill("SIGKILL");
  while (existsSync(`/proc/${pid}`)) await pause(20);
  await rm(folder, { recursive: true });
});

it("a signal to the whole group of processes leaves it to its parent", async () => {
  const member = new Member(LIMITS);
  await member.ready();
  process.kill(member.pid as number, "SIGINT");
  process.kill(member.pid as number, "SIGTERM");
  const model = cloudModel("good");
  await expect(member.run(model, [POISON], 1)).resolves.toHaveLength(1);
  await member.kill();
  await expect(member.run(model, [POISON], 1)).rejects.toThrow(MemberDied);
});

it("says what a model gives that is no row of numbers for each sample", async () => {
  const member = new Member(LIMITS);
  await member.ready();
  const wrong = { ...cloudModel("four"), output: "nothing" };
  await expect(member.run(wrong, [POISON], 4)).rejects.toThrow(/nothing/);
  await expect(member.run(cloudModel("four"), [POISON], 1)).rejects.toThrow(/dimension/i);
  await member.kill();
});

it("outlives a process that is gone before anybody was told", async () => {
  const member = new Member(LIMITS);
  await member.ready();
  const models = [cloudModel("good"), cloudModel("good")];
  for (const model of models) await member.load(model);
  process.kill(member.pid as number, "SIGKILL");
  // Nothing that happens is heard while this thread waits: the channel breaks under the messages that follow.
  while (!readFileSync(`/proc/${member.pid}/stat`, "utf8").includes(") Z ")) Atomics.wait(BELL, 0, 0, 5);
  for (const model of models) member.drop(model);
  await member.ended;
});
