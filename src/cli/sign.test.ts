import { generateKeyPairSync } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hedge } from "../../test/support/in-process.ts";
import { tinyBundle, tinyDraft, tinyWasm } from "../../test/support/tiny-bundle.ts";
import { createBundle } from "../bundle/bundle.ts";
import { readBundle } from "../bundle/read.ts";
import { writeBundle } from "../bundle/write.ts";
import { EXIT_CODES } from "../errors.ts";
import { createImage, readImage, verifyImage } from "../slot/image.ts";
import { generateKey, readPublicKey, readSigningKey } from "../slot/keys.ts";

let parent: string;
let folder: string;
let signer: string;
const inParent = (name: string): string => join(parent, name);

beforeAll(async () => {
  parent = await mkdtemp(join(tmpdir(), "hedge-sign-"));
  folder = inParent("bundle");
  signer = inParent("signer.pem");
  await writeBundle(folder, await tinyBundle());
  expect((await hedge("keys", "generate", signer)).code).toBe(0);
});
afterAll(() => rm(parent, { recursive: true, force: true }));

describe("hedge keys", () => {
  it("makes a key that only its owner reads, and its public half beside it", async () => {
    const path = inParent("one.pem");
    const { code, out } = await hedge("--json", "keys", "generate", path);
    expect(code).toBe(0);
    const { private: secret, public: open, id, point } = JSON.parse(out);
    expect([secret, open]).toEqual([path, inParent("one.pub.pem")]);
    expect(point).toMatch(/^04[0-9a-f]{128}$/);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readFileSync(path, "utf8")).toContain("BEGIN PRIVATE KEY");
    expect(readFileSync(open, "utf8")).toContain("BEGIN PUBLIC KEY");
    for (const file of [secret, open]) {
      const shown = await hedge("--json", "keys", "show", file);
      expect(JSON.parse(shown.out)).toEqual({ id, point });
    }
    expect((await hedge("keys", "show", open)).out).toBe(`id     ${id}\npoint  ${point}\n`);
  });

  it("never replaces a key unless told to, and then closes it to others", async () => {
    const path = inParent("two.pem");
    await hedge("keys", "generate", path);
    const before = readFileSync(path, "utf8");
    const refused = await hedge("keys", "generate", path);
    expect([refused.code, refused.out]).toEqual([EXIT_CODES.usage, ""]);
    expect(refused.err).toContain("two.pem is there already");
    expect(readFileSync(path, "utf8")).toBe(before);
    chmodSync(path, 0o644);
    expect((await hedge("keys", "generate", path, "--force")).code).toBe(0);
    expect(readFileSync(path, "utf8")).not.toBe(before);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect((await readPublicKey(inParent("two.pub.pem"))).id).toBe((await readSigningKey(path)).id);
  });

  it("leaves nothing behind when one half cannot be written", async () => {
    mkdirSync(inParent("three.pub.pem"));
    const { code, err } = await hedge("keys", "generate", inParent("three.pem"));
    expect(code).toBe(EXIT_CODES.input);
    expect(err).toContain("three.pub.pem cannot be written");
    expect(existsSync(inParent("three.pem"))).toBe(false);
    expect((await hedge("keys", "generate", inParent("none/four.pem"))).code).toBe(EXIT_CODES.input);
  });

  it.each([
    ["no key", "Dear signer,\n", "holds no key in PEM form"],
    ["an empty file", "", "holds no key in PEM form"],
    ["a damaged key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "holds no key in PEM form"],
    [
      "a key of another curve",
      generateKeyPairSync("ec", { namedCurve: "secp384r1" }).privateKey.export({ type: "pkcs8", format: "pem" }),
      "not of ECDSA over P-256",
    ],
    [
      "a key of another kind",
      generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" }),
      "P-256",
    ],
    ["a large file", "x".repeat(20_000), "at most 16384"],
  ])("refuses %s", async (_, content, sentence) => {
    const path = inParent("bad.pem");
    writeFileSync(path, content);
    const { code, err } = await hedge("keys", "show", path);
    expect(code).toBe(EXIT_CODES.input);
    expect(err).toContain(`${path} h`);
    expect(err).toContain(sentence);
    expect(err).toContain("hedge keys generate");
  });
});

describe("hedge sign", () => {
  it("writes an image beside the bundle, by a counter that grows with time", async () => {
    const before = Math.floor(Date.now() / 1000);
    const { code, out } = await hedge("--json", "sign", folder, "--key", signer, "--board", "mps2-an386");
    expect(code).toBe(0);
    const result = JSON.parse(out);
    const { digest } = await readBundle(folder);
    const key = await readSigningKey(signer);
    expect(result).toMatchObject({ image: join(folder, "slot.bin"), name: "tiny", digest, key: key.id });
    const image = await readImage(result.image);
    verifyImage(image, [key], "it");
    expect(image.bytes).toHaveLength(result.bytes);
    expect(image.header).toMatchObject({ counter: result.counter, digest, hybrid: true, classes: 3, steps: 3 });
    expect(result.counter).toBeGreaterThanOrEqual(before);
    expect(result.counter).toBeLessThanOrEqual(Date.now() / 1000);
  });

  it("leaves a bundle that is read as before, and replaced with what was signed of it", async () => {
    await hedge("sign", folder, "-k", signer);
    await readBundle(folder);
    await writeBundle(folder, await tinyBundle({ edgeOnly: true }));
    expect(existsSync(join(folder, "slot.bin"))).toBe(false);
    await writeBundle(folder, await tinyBundle());
  });

  it("takes a counter and a file", async () => {
    const out = inParent("image.bin");
    const said = await hedge("sign", folder, "-k", signer, "-c", "41", "-o", out);
    expect(said.out).toContain(`${out}: `);
    expect(said.out).toContain("counter 41");
    expect((await readImage(out)).header.counter).toBe(41);
    for (const counter of ["0", "4294967296", "-1", "1.5"])
      expect((await hedge("sign", folder, "-k", signer, "-c", counter)).code).toBe(EXIT_CODES.usage);
  });

  it("refuses a public key, a folder that is no bundle, a place that cannot be written", async () => {
    const open = await hedge("sign", folder, "-k", inParent("signer.pub.pem"));
    expect([open.code, open.err]).toEqual([EXIT_CODES.input, expect.stringContaining("holds no private key")]);
    const none = await hedge("sign", parent, "-k", signer);
    expect([none.code, none.err]).toEqual([EXIT_CODES.input, expect.stringContaining("manifest.json")]);
    const nowhere = await hedge("sign", folder, "-k", signer, "-o", inParent("none/slot.bin"));
    expect([nowhere.code, nowhere.err]).toEqual([EXIT_CODES.input, expect.stringContaining("cannot be written")]);
  });

  it("refuses what a board has no room for, and writes nothing then", async () => {
    const board = JSON.parse(readFileSync(new URL("../boards/mps2-an386.json", import.meta.url), "utf8"));
    const file = inParent("small.json");
    const sector = 512;
    const slots = { sectorBytes: sector, config: { offset: 0, bytes: sector }, offsets: [1024, 2048], slotBytes: 1024 };
    const { emulator: _, ...plain } = board;
    writeFileSync(file, JSON.stringify({ ...plain, name: "small", slots }));
    const out = inParent("too-large.bin");
    const { code, err } = await hedge("sign", folder, "-k", signer, "--board", file, "-o", out);
    expect(code).toBe(EXIT_CODES.input);
    expect(err).toMatch(/tiny takes \d+ bytes, and a slot of small has 512\./);
    expect(existsSync(out)).toBe(false);
    const { slots: _slots, probe: _probe, ...bare } = { ...plain, name: "bare" };
    writeFileSync(file, JSON.stringify(bare));
    const unknown = await hedge("sign", folder, "-k", signer, "--board", file, "-o", out);
    expect([unknown.code, unknown.err]).toEqual([EXIT_CODES.usage, expect.stringContaining("bare has no slots")]);
  });
});

describe("an image", () => {
  const parts = { edgeWasm: tinyWasm(), weights: Uint8Array.of(1, 2, 3), cloudOnnx: Uint8Array.of(1) };
  const key = generateKey();

  it("has a name that any terminal shows", async () => {
    const bundle = await createBundle({ ...tinyDraft(), name: `réseau ${"x".repeat(60)}` }, parts);
    expect(createImage(bundle, key, 1).header.name).toBe(`r?seau ${"x".repeat(25)}`);
  });

  it("is refused where no device could run it: the limit is named", async () => {
    const draft = tinyDraft();
    const steps = await createBundle({ ...draft, module: { ...draft.module, steps: 70_000 } }, parts);
    expect(() => createImage(steps, key, 1)).toThrow("tiny has steps 70000, outside 1 ... 65535");
    const odd = await createBundle({ ...draft, module: { ...draft.module, threshold: 10 } }, parts);
    expect(() => createImage(odd, key, 1)).toThrow("tiny has its threshold at 10, which is no multiple of 4");
  });
});
