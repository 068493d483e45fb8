import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { type CloudPart, cloudBundle, logitsOf, POISON, payloadOf } from "../../test/support/cloud-parts.ts";
import { tinyBundle } from "../../test/support/tiny-bundle.ts";
import type { Bundle } from "../bundle/bundle.ts";
import { encodeOffload, type Offload } from "../wire/frames.ts";
import { offloadTopic } from "../wire/topics.ts";
import type { BundleStore } from "./bundle-store.ts";
import { FolderStore } from "./folder-store.ts";
import { Models, type ModelsOptions } from "./models.ts";
import type { BatchRun, ModelEvent, ServedSample } from "./observer.ts";
import type { Quota } from "./quota.ts";
import { Server } from "./serve.ts";

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

interface SetUp extends Partial<ModelsOptions> {
  readonly quota?: Quota;
}

async function setUp({ quota, ...options }: SetUp) {
  const served: ServedSample[] = [];
  const runs: BatchRun[] = [];
  const events: ModelEvent[] = [];
  const observer = {
    served: (sample: ServedSample) => served.push(sample),
    batch: (run: BatchRun) => runs.push(run),
    model: (event: ModelEvent) => events.push(event),
  };
  const models = await Models.open({ processes: 1, observer, ...options });
  cleanups.push(() => models.close());
  const server = new Server({ name: "w", models, quota, observer });
  const offer = (bundle: Pick<Bundle, "digest">, changes: Partial<Offload> = {}, device = "d") => {
    const frame = encodeOffload({
      model: bundle.digest,
      session: 1,
      sample: 1,
      deadline: Date.now() + 600_000,
      attempt: 1,
      label: 0,
      entropy: 5,
      payload: payloadOf(changes.sample ?? 1),
      ...changes,
    });
    return server.serve(offloadTopic(device), frame);
  };
  return { server, models, served, runs, events, offer };
}

/** A store, and what it was asked for. */
async function storeOf(...bundles: Bundle[]): Promise<BundleStore & { asked: string[]; folder: FolderStore }> {
  const where = await mkdtemp(join(tmpdir(), "hedge-serve-"));
  cleanups.push(() => rm(where, { recursive: true }));
  const folder = new FolderStore(where);
  for (const bundle of bundles) await folder.add(bundle);
  const asked: string[] = [];
  const read = (digest: string) => {
    asked.push(digest);
    return folder.read(digest);
  };
  return { where, asked, folder, list: () => folder.list(), read };
}

const bundlesOf = (count: number, part: CloudPart = "good") =>
  Promise.all(Array.from({ length: count }, (_, i) => cloudBundle(part, i)));

function answerOf(payload: Uint8Array): { label: number; confidence: number } {
  const logits = logitsOf(payload);
  const top = Math.max(...logits);
  return { label: logits.indexOf(top), confidence: 1 / logits.reduce((sum, logit) => sum + Math.exp(logit - top), 0) };
}

describe("a server", () => {
  it("answers with label and confidence, and tells its watchers", async () => {
    const bundle = await cloudBundle("good");
    const { offer, served, server, events } = await setUp({ bundles: [bundle] });
    const { reply, dead } = await offer(bundle, { sample: 7, attempt: 3, deadline: 9_000_000_000_000 });
    expect(dead).toBeUndefined();
    expect(reply).toMatchObject({ device: "d", deadline: 9_000_000_000_000 });
    expect(reply?.result).toMatchObject({ state: "answered", sample: 7, worker: "w", ...answerOf(payloadOf(7)) });
    expect(served).toHaveLength(1);
    expect(served[0]).toMatchObject({ as: "answered", attempt: 3, edgeLabel: 0, entropy: 5, payloadBytes: 16 });
    expect(events).toMatchObject([{ what: "loaded", digest: bundle.digest, name: "good-0" }]);
    expect(server.status()).toMatchObject({
      models: [{ digest: bundle.digest, maxBatch: 32, note: "", waiting: 0, oldestMs: 0 }],
      processes: { alive: 2, deaths: 0 },
    });
  });

  it("runs a sample once that is offered again, while it is in work and after", async () => {
    const bundle = await cloudBundle("good");
    const { offer, runs, server } = await setUp({ bundles: [bundle] });
    const first = await Promise.all([1, 2, 3].map((attempt) => offer(bundle, { attempt })));
    first.push(await offer(bundle, { attempt: 4 }));
    expect(new Set(first.map(({ reply }) => reply?.result.confidence)).size).toBe(1);
    expect(runs.reduce((sum, { size }) => sum + size, 0)).toBe(1);
    expect(server.counts).toEqual({ answered: 1, repeated: 3, expired: 0, limited: 0, dead: 0 });
  });

  it("remembers a sample that was given up: one dead letter, and no process more", async () => {
    const bundle = await cloudBundle("dies");
    const { offer, server } = await setUp({ bundles: [bundle] });
    const { dead, reply } = await offer(bundle, { payload: POISON });
    expect(dead).toMatchObject({ reason: "inference", sentence: expect.stringContaining("SIGFPE") });
    expect(reply?.result.state).toBe("refused");
    const { deaths } = server.status().processes;
    const again = await offer(bundle, { payload: POISON, attempt: 2 });
    expect(again.dead).toBeUndefined();
    expect(again.reply?.result.state).toBe("refused");
    expect(server.status().processes.deaths).toBe(deaths);
    expect(server.counts).toMatchObject({ dead: 1, repeated: 1 });
  });

  it("limits a device to its quota, says so in one dead letter, and leaves others alone", async () => {
    const bundle = await cloudBundle("good");
    const { offer, server, served } = await setUp({ bundles: [bundle], quota: { rate: 1e-6, burst: 5 } });
    const flood = await Promise.all(Array.from({ length: 30 }, (_, sample) => offer(bundle, { sample }, "loud")));
    expect(flood.filter(({ reply }) => reply?.result.state === "answered")).toHaveLength(5);
    expect(flood.filter(({ reply }) => reply?.result.state === "refused")).toHaveLength(25);
    expect(flood.filter(({ dead }) => dead?.reason === "quota")).toHaveLength(1);
    expect((await offer(bundle, {}, "calm")).reply?.result.state).toBe("answered");
    expect(server.counts).toEqual({ answered: 6, repeated: 0, expired: 0, limited: 25, dead: 0 });
    expect(served.filter(({ as }) => as === "limited")).toHaveLength(25);
  });

  it("limits rubbish as it does samples", async () => {
    const bundle = await cloudBundle("good");
    const { server } = await setUp({ bundles: [bundle], quota: { rate: 1e-6, burst: 5 } });
    for (const topic of [offloadTopic("loud"), "hedge/v1/no name/offload"]) {
      const reasons: (string | undefined)[] = [];
      for (let i = 0; i < 20; i++) reasons.push((await server.serve(topic, Uint8Array.of(1))).dead?.reason);
      const own = topic === offloadTopic("loud") ? "frame" : "topic";
      expect(reasons).toEqual([...Array(5).fill(own), "quota", ...Array(14).fill(undefined)]);
    }
    expect(server.counts).toMatchObject({ dead: 10, limited: 30 });
  });

  it("does not hold on to an answer that was none: with more time the sample is run", async () => {
    const bundle = await cloudBundle("good");
    const { offer, server } = await setUp({ bundles: [bundle] });
    expect((await offer(bundle, { deadline: Date.now() - 1 })).reply?.result.state).toBe("expired");
    expect((await offer(bundle, {})).reply?.result.state).toBe("answered");
    expect(server.counts).toMatchObject({ expired: 1, answered: 1 });
  });
});

describe("models", () => {
  it("are loaded on demand, once for all who ask at the same time", async () => {
    const [first, second] = (await bundlesOf(2)) as [Bundle, Bundle];
    const store = await storeOf(first, second);
    const { offer, events } = await setUp({ store });
    const offers = Array.from({ length: 20 }, (_, sample) => offer(sample % 2 ? first : second, { sample }));
    for (const [sample, { reply }] of (await Promise.all(offers)).entries()) {
      expect(reply?.result).toMatchObject({ state: "answered", sample, ...answerOf(payloadOf(sample)) });
    }
    expect(store.asked.toSorted()).toEqual([first.digest, second.digest].toSorted());
    expect(events.map(({ what }) => what)).toEqual(["loaded", "loaded"]);
  });

  it("are let go when there are too many, those used longest ago first", async () => {
    const bundles = await bundlesOf(4);
    const [a, b, c, given] = bundles as [Bundle, Bundle, Bundle, Bundle];
    const store = await storeOf(a, b, c);
    const { offer, events, server } = await setUp({ bundles: [given], store, limits: { models: 3, bytes: 1 << 20 } });
    let sample = 0;
    for (const bundle of [a, b, a, c, a, b, given]) {
      expect((await offer(bundle, { sample: sample++ })).reply?.result.state).toBe("answered");
    }
    expect(events.map(({ what, digest }) => [what, bundles.findIndex((bundle) => bundle.digest === digest)])).toEqual([
      ["loaded", 3],
      ["loaded", 0],
      ["loaded", 1],
      ["evicted", 1],
      ["loaded", 2],
      ["evicted", 2],
      ["loaded", 1],
    ]);
    expect(server.status().models).toHaveLength(3);
  });

  it("that are too large beside those given at the start are refused", async () => {
    const [given, other] = (await bundlesOf(2)) as [Bundle, Bundle];
    const limits = { models: 9, bytes: given.cloudOnnx!.length };
    const { offer } = await setUp({ bundles: [given], store: await storeOf(other), limits });
    const { dead } = await offer(other);
    expect(dead).toMatchObject({ reason: "model", sentence: expect.stringContaining("no room") });
    expect((await offer(given)).reply?.result.state).toBe("answered");
  });

  it("that are nowhere are asked for once in a while", async () => {
    const store = await storeOf();
    const { offer, served } = await setUp({ store });
    const digest = "5e".repeat(32);
    const outcomes = [];
    for (let sample = 0; sample < 10; sample++) outcomes.push(await offer({ digest }, { sample }));
    for (const { dead, reply } of outcomes) {
      expect(dead).toMatchObject({ reason: "model", sentence: expect.stringContaining("has no model 5e5e5e5e5e5e") });
      expect(reply?.result.state).toBe("refused");
    }
    expect(store.asked).toEqual([digest]);
    expect(served.every(({ as }) => as === "refused")).toBe(true);
  });

  it("with hostile digests neither pile up nor keep a good one out", async () => {
    const bundle = await cloudBundle("good");
    const store = await storeOf(bundle);
    const { offer } = await setUp({ store });
    const flood = Array.from({ length: 300 }, (_, i) =>
      offer({ digest: i.toString(16).padStart(64, "0") }, { sample: i }),
    );
    const turnedAway = await offer(bundle, { sample: 999 });
    expect(turnedAway.dead?.sentence).toContain("too many models");
    const outcomes = await Promise.all(flood);
    expect(outcomes.every(({ dead }) => dead?.reason === "model")).toBe(true);
    expect((await offer(bundle, { sample: 1000 })).reply?.result.state).toBe("answered");
  });

  it("that are made up while the store is silent keep few samples waiting", async () => {
    const bundle = await cloudBundle("good");
    let give = () => {};
    const held = new Promise<void>((resolve) => {
      give = resolve;
    });
    const store = await storeOf();
    const { offer } = await setUp({
      bundles: [bundle],
      store: { ...store, read: (digest) => held.then(() => store.read(digest)) },
    });
    let refused = 0;
    const flood = Array.from({ length: 64 }, async (_, i) => {
      await offer({ digest: i.toString(16).padStart(64, "0") }, { sample: i });
      refused++;
    });
    expect((await offer(bundle, { sample: 99 })).reply?.result.state).toBe("answered");
    // A worker has 64 places; three in four are free again.
    expect(refused).toBeGreaterThan(40);
    give();
    await Promise.all(flood);
  });

  it("that the store is slow to give leave other models alone, and samples expire meanwhile", async () => {
    const [slow, good] = (await bundlesOf(2)) as [Bundle, Bundle];
    const store = await storeOf(slow, good);
    let give = () => {};
    const held = new Promise<void>((resolve) => {
      give = resolve;
    });
    const read = async (digest: string) => {
      if (digest === slow.digest) await held;
      return store.read(digest);
    };
    const { offer } = await setUp({ store: { ...store, read } });
    const patient = offer(slow, { sample: 1 });
    expect((await offer(slow, { sample: 2, deadline: Date.now() + 200 })).reply?.result.state).toBe("expired");
    expect((await offer(good, { sample: 3 })).reply?.result.state).toBe("answered");
    give();
    expect((await patient).reply?.result.state).toBe("answered");
  });

  it("that do not load are refused, and others go on", async () => {
    const good = await cloudBundle("good");
    const broken = await tinyBundle();
    const { offer, events } = await setUp({ store: await storeOf(good, broken) });
    expect((await offer(broken)).dead).toMatchObject({
      reason: "model",
      sentence: expect.stringContaining("onnxruntime"),
    });
    expect((await offer(good)).reply?.result.state).toBe("answered");
    expect(events.map(({ what }) => what)).toEqual(["failed", "loaded"]);
  });

  it("whose rows depend on their batch are run one by one, and say so", async () => {
    const bundle = await cloudBundle("mixes");
    const { offer, runs, server } = await setUp({ bundles: [bundle] });
    const offers = Array.from({ length: 12 }, (_, sample) => offer(bundle, { sample }));
    const together = (await Promise.all(offers)).map(({ reply }) => reply?.result);
    expect(runs.every(({ size }) => size === 1)).toBe(true);
    expect(server.status().models[0]?.note).toContain("by itself");
    for (const [sample, result] of together.entries()) {
      const alone = (await offer(bundle, { sample, session: 2 })).reply?.result;
      expect(result).toMatchObject({ label: alone?.label, confidence: alone?.confidence });
    }
  });

  it("need a bundle or a store, and a cloud part", async () => {
    await expect(Models.open({ processes: 1 })).rejects.toMatchObject({ kind: "usage" });
    const edgeOnly = await tinyBundle({ edgeOnly: true });
    await expect(Models.open({ processes: 1, bundles: [edgeOnly] })).rejects.toMatchObject({ kind: "input" });
  });
});
