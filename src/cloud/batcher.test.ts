import { setTimeout as pause } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import { type CloudPart, cloudModel, logitsOf, POISON, payloadOf } from "../../test/support/cloud-parts.ts";
import { Batcher, Overfull } from "./batcher.ts";
import type { CloudModel } from "./member.ts";
import type { BatchRun } from "./observer.ts";

/** Milliseconds from now in which everything is done, however slow the machine. */
const LATER = 600_000;

const open: Batcher[] = [];
afterEach(async () => {
  for (const batcher of open.splice(0)) await batcher.close();
});

interface SetUp {
  readonly parts?: readonly CloudPart[];
  readonly processes?: number;
  readonly most?: number;
  readonly maxDelay?: number;
  readonly runTime?: number;
  readonly memory?: number;
}

async function setUp({
  parts = ["good"],
  processes = 1,
  most = 8,
  maxDelay = 0,
  runTime = LATER,
  memory = 2 ** 32,
}: SetUp = {}) {
  const runs: BatchRun[] = [];
  const observer = { batch: (run: BatchRun) => runs.push(run) };
  const batcher = await Batcher.open({ processes, maxDelay, limits: { runTime, memory }, observer });
  open.push(batcher);
  const models = parts.map(cloudModel);
  for (const model of models) {
    batcher.add(model, { least: 1, most, note: "" });
    await batcher.preload(model);
  }
  const infer = (
    payload: Uint8Array,
    { model = models[0] as CloudModel, deadline = Date.now() + LATER, device = "d" } = {},
  ) => batcher.infer(model, payload, deadline, device).then((logits) => logits && Array.from(logits));
  return { batcher, models, model: models[0] as CloudModel, runs, infer };
}

const numbers = (count: number) => Array.from({ length: count }, (_, i) => i);

describe("the batcher", () => {
  it("gives each sample its own logits, in batches of what is queued", async () => {
    const { infer, runs } = await setUp();
    const rows = await Promise.all(numbers(50).map((i) => infer(payloadOf(i))));
    expect(rows).toEqual(numbers(50).map((i) => logitsOf(payloadOf(i))));
    // The first went at once, the others waited for it.
    expect(runs.map(({ size }) => size)).toEqual([1, 8, 8, 8, 8, 8, 8, 1]);
    expect(runs.every(({ failed }) => !failed)).toBe(true);
  });

  it("serves those first whose deadline is first, and does not run those whose deadline passed", async () => {
    const { infer, runs, models } = await setUp({ most: 1 });
    const served: number[] = [];
    const now = Date.now();
    const deadlines = [50, 40, 10, 30, 20].map((minutes) => now + minutes * 60_000);
    const work = deadlines.map((deadline, i) => infer(payloadOf(i), { deadline }).then(() => served.push(i)));
    const late = infer(payloadOf(9), { deadline: now - 1 });
    await Promise.all(work);
    expect(served).toEqual([0, 2, 4, 3, 1]);
    expect(await late).toBeUndefined();
    expect(runs.filter(({ model }) => model === models[0]!.digest)).toHaveLength(5);
  });

  it("holds samples back for others to fill their batch only when asked", async () => {
    const { infer, runs } = await setUp({ maxDelay: 60_000, most: 4 });
    const rows = await Promise.all(numbers(4).map((i) => infer(payloadOf(i))));
    expect(rows).toEqual(numbers(4).map((i) => logitsOf(payloadOf(i))));
    expect(runs.map(({ size }) => size)).toEqual([4]);
  });

  it("holds samples back no longer than asked", async () => {
    const { infer, runs } = await setUp({ maxDelay: 20, most: 4 });
    await Promise.all(numbers(3).map((i) => infer(payloadOf(i))));
    expect(runs.map(({ size }) => size)).toEqual([3]);
    expect(runs[0]!.queueMs).toBeGreaterThanOrEqual(15);
  });

  it("lets models take turns: a flood for one does not keep another waiting", async () => {
    const { infer, models, runs } = await setUp({ parts: ["good", "dies"] });
    const [busy, other] = models as [CloudModel, CloudModel];
    const flood = numbers(200).map((i) => infer(payloadOf(i), { model: busy }));
    const few = numbers(3).map((i) => infer(payloadOf(i), { model: other }));
    expect(await Promise.all(few)).toEqual(numbers(3).map((i) => logitsOf(payloadOf(i))));
    expect(runs.length).toBeLessThan(5);
    await Promise.all(flood);
  });

  it("takes no more than it may hold", async () => {
    const { infer, model } = await setUp();
    const huge = { ...model, id: 1_000_000, payload: { ...model.payload, bytes: 2 ** 27 } };
    open.at(-1)!.add(huge, { least: 1, most: 1, note: "" });
    const stuck = numbers(3).map(() => infer(payloadOf(1), { model: huge }).catch((error) => error));
    await expect(infer(payloadOf(2))).rejects.toThrow(Overfull);
    await open.at(-1)!.close();
    expect((await Promise.all(stuck)).every((outcome) => outcome instanceof Error)).toBe(true);
  });

  it("rejects what is not done when it is closed", async () => {
    const { batcher, infer } = await setUp();
    const outcomes = numbers(40).map((i) => infer(payloadOf(i)).catch((error) => error));
    await batcher.close();
    for (const outcome of (await Promise.all(outcomes)).slice(8)) expect(outcome).toBeInstanceOf(Error);
    await expect(infer(payloadOf(1))).rejects.toThrow("stops");
  });

  it("has the processes let a model go once nothing waits for it", async () => {
    const { batcher, model, infer } = await setUp();
    const waiting = numbers(20).map((i) => infer(payloadOf(i)));
    batcher.remove(model);
    await expect(Promise.all(waiting)).resolves.toHaveLength(20);
    await expect(infer(payloadOf(1))).rejects.toThrow();
    expect(batcher.status().queues.size).toBe(0);
  });
});

describe("a sample that goes wrong", () => {
  const among = (count: number, at: number) => numbers(count).map((i) => (i === at ? POISON : payloadOf(i)));

  it.each([
    ["dies", "ends its process by a division without result", /SIGFPE/, {}],
    ["hangs", "never ends", /took more than 1\.5 s/, { runTime: 1_500 }],
    ["swells", "takes too much memory", /SIGKILL/, { memory: 700 << 20 }],
  ] as const)("(%s) is given up when it %s; its mates and others are answered", async (part, _, reason, limits) => {
    const { batcher, infer } = await setUp({ parts: [part], most: 8, ...limits });
    const payloads = among(40, 13);
    const outcomes = await Promise.all(payloads.map((payload) => infer(payload).catch((error) => error)));
    for (const [i, outcome] of outcomes.entries()) {
      if (i !== 13) expect(outcome).toEqual(logitsOf(payloadOf(i)));
      else expect(outcome).toMatchObject({ message: expect.stringMatching(reason) });
    }
    // In its batch, and twice alone.
    expect(batcher.status().processes.deaths).toBe(3);
  });

  it("is refused without harm to its mates when onnxruntime refuses it", async () => {
    const { batcher, infer } = await setUp({ parts: ["refuses"] });
    const outcomes = await Promise.all(among(20, 13).map((payload) => infer(payload).catch((error) => error)));
    expect(outcomes[13]).toMatchObject({ message: expect.stringContaining("Gather") });
    for (const [i, outcome] of outcomes.entries()) if (i !== 13) expect(outcome).toEqual(logitsOf(payloadOf(i)));
    expect(batcher.status().processes).toEqual({ alive: 2, deaths: 0 });
  });

  it("brings its device under suspicion: its next ones end no process that others use", async () => {
    const { batcher, infer, runs } = await setUp({ parts: ["dies"] });
    await expect(infer(POISON, { device: "bad" })).rejects.toThrow("SIGFPE");
    runs.length = 0;
    const bad = numbers(6).map(() => infer(POISON, { device: "bad" }).catch((error) => error));
    const good = await Promise.all(numbers(100).map((i) => infer(payloadOf(i), { device: "good" })));
    expect(good).toEqual(numbers(100).map((i) => logitsOf(payloadOf(i))));
    const errors = await Promise.all(bad);
    // A few may wait for their turn, one at a time; the others are turned away.
    expect(errors.filter((error) => error instanceof Overfull)).toHaveLength(2);
    expect(runs.filter(({ failed }) => failed).every(({ size }) => size === 1)).toBe(true);
    expect(batcher.status().processes.deaths).toBe(3 + 4);
  });

  it("is answered as expired when its deadline passes before it can be tried alone", async () => {
    const { infer } = await setUp({ parts: ["hangs"], runTime: 1_000 });
    const payloads = among(8, 3);
    // The first goes by itself; the others are one batch, which is ended after their deadline.
    const first = infer(payloadOf(20));
    const deadline = Date.now() + 900;
    const outcomes = await Promise.all(payloads.map((payload) => infer(payload, { deadline })));
    expect(await first).toEqual(logitsOf(payloadOf(20)));
    expect(new Set(outcomes)).toEqual(new Set([undefined]));
  });
});

it("a process that somebody ends is replaced, and nothing is lost", async () => {
  const { batcher, infer } = await setUp({ processes: 2 });
  const rows = numbers(400).map((i) => infer(payloadOf(i % 100)));
  const { execFileSync } = await import("node:child_process");
  const children = execFileSync("pgrep", ["-P", String(process.pid), "-f", "member-process.js"], { encoding: "utf8" });
  process.kill(Number(children.split("\n")[0]), "SIGKILL");
  expect(await Promise.all(rows)).toEqual(numbers(400).map((i) => logitsOf(payloadOf(i % 100))));
  while (batcher.status().processes.alive < 3) await pause(10);
  expect(batcher.status().processes.deaths).toBe(1);
});
