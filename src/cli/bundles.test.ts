import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startCli } from "../../test/support/built.ts";
import { hedge } from "../../test/support/in-process.ts";
import { tinyBundle } from "../../test/support/tiny-bundle.ts";
import { otherHybrid, tinyHybrid } from "../../test/support/tiny-cloud.ts";
import type { Bundle } from "../bundle/bundle.ts";
import { writeBundle } from "../bundle/write.ts";
import { EXIT_CODES } from "../errors.ts";

let parent: string;
let bundles: [Bundle, Bundle];
const at = (name: string) => join(parent, name);
beforeAll(async () => {
  parent = await mkdtemp(join(tmpdir(), "hedge-bundles-"));
  bundles = [await otherHybrid(), await tinyHybrid()];
  await writeBundle(at("other"), bundles[0]);
  await writeBundle(at("tiny"), bundles[1]);
  await writeBundle(at("edge-only"), await tinyBundle({ edgeOnly: true }));
});
afterAll(() => rm(parent, { recursive: true, force: true }));

describe("hedge bundles", () => {
  it("adds, lists and removes", async () => {
    const store = at("store");
    const added = JSON.parse((await hedge("--json", "bundles", "add", store, at("tiny"), at("other"))).out);
    expect(added.bundles.map(({ name }: { name: string }) => name)).toEqual(["tiny", "other"]);
    const { out } = await hedge("bundles", "list", store);
    const [first, second] = out.split("\n");
    expect(first).toMatch(new RegExp(`^${bundles[0].digest} +\\d+  other$`));
    expect(second).toMatch(new RegExp(`^${bundles[1].digest} +\\d+  tiny$`));
    const { digest } = bundles[0];
    expect(await hedge("bundles", "remove", store, digest.slice(0, 8))).toEqual({
      code: 0,
      out: `${digest}\n`,
      err: "",
    });
    expect(JSON.parse((await hedge("--json", "bundles", "list", store)).out).bundles).toHaveLength(1);
  });

  it("changes and serves folders only", async () => {
    for (const command of [
      ["add", at("tiny")],
      ["remove", "d7396a08"],
      ["serve", "--port", "0"],
    ]) {
      const [what = "", ...rest] = command;
      const { code, out, err } = await hedge("bundles", what, "http://ada:enigma@127.0.0.1:1/", ...rest);
      expect(code).toBe(EXIT_CODES.usage);
      expect(out + err).not.toContain("enigma");
    }
  });

  it("adds all or none", async () => {
    const store = at("untouched");
    const { code, err } = await hedge("bundles", "add", store, at("tiny"), at("edge-only"));
    expect(code).toBe(EXIT_CODES.input);
    expect(err).toContain("no cloud part");
    expect(await readdir(parent)).not.toContain("untouched");
  });

  it.each([
    ["what is in no store", ["bundles", "remove", "STORE", "5e5e5e5e"], EXIT_CODES.usage, "No bundle in"],
    ["a store that is not there", ["bundles", "list", "STORE"], EXIT_CODES.input, "cannot be read"],
    ["an address where nothing is", ["bundles", "list", "http://127.0.0.1:1/"], EXIT_CODES.network, "does not give"],
  ])("says so of %s", async (_, args, code, message) => {
    const outcome = await hedge(...args.map((arg) => arg.replace("STORE", at("nowhere"))));
    expect([outcome.code, outcome.out]).toEqual([code, ""]);
    expect(outcome.err).toContain(message);
  });

  it("serves a store until it is told to stop", async () => {
    const store = at("served");
    await hedge("bundles", "add", store, at("tiny"));
    const { child, line } = await startCli(["--json", "bundles", "serve", store, "--port", "0"]);
    const ended = new Promise((resolve) => child.once("exit", resolve));
    const { url } = JSON.parse(line);
    const listed = await hedge("--json", "bundles", "list", url);
    expect(JSON.parse(listed.out).bundles).toMatchObject([{ digest: bundles[1].digest, name: "tiny" }]);
    child.kill("SIGTERM");
    expect(await ended).toBe(0);
  });
});
