import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hedge } from "../../test/support/in-process.ts";
import { expectError } from "../../test/support/refusal.ts";
import { EXIT_CODES } from "../errors.ts";

let folder: string;
const at = (name: string): string => join(folder, name);
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "hedge-acl-cli-"));
});
afterAll(() => rm(folder, { recursive: true }));

describe("hedge acl", () => {
  it("writes the list, the listener, and the group's name, which stays when it is written again", async () => {
    const write = (...more: string[]) => hedge("acl", "--worker", "w1", "w2", "-o", at("broker"), "--json", ...more);
    const { code, out } = await write();
    expect(code).toBe(0);
    const { acl, settings, group } = JSON.parse(out) as Record<string, string>;
    expect(await readFile(acl!, "utf8")).toContain("user w2\ntopic write hedge/v1/+/result");
    expect(await readFile(settings!, "utf8")).toContain(`acl_file ${acl}\n`);
    const secret = await readFile(group!, "utf8");
    expect(secret).toMatch(/^workers-[0-9a-f]{32}\n$/);
    expect((await stat(group!)).mode & 0o777).toBe(0o600);
    await write("--operator", "ada", "-p", "1234");
    expect(await readFile(group!, "utf8")).toBe(secret);
    expect(await readFile(acl!, "utf8")).toContain("user ada\ntopic write hedge/v1/+/command");
    expect(await readFile(settings!, "utf8")).toContain("listener 1234\n");
  });

  it("writes for EMQX", async () => {
    expect((await hedge("acl", "--worker", "w1", "-o", at("emqx"), "--for", "emqx")).code).toBe(0);
    expect(await readFile(at("emqx/hedge.acl"), "utf8")).toContain('{allow, {username, "w1"}, subscribe');
    expect(await readFile(at("emqx/hedge.conf"), "utf8")).toContain("peer_cert_as_clientid = cn");
  });

  it("refuses names that could stand for others, and a folder that is none", async () => {
    const named = await hedge("acl", "--operator", "#", "-o", at("none"));
    expectError(named, EXIT_CODES.usage);
    expect(named.err).toContain('"#" cannot name a client.');
    await expect(stat(at("none"))).rejects.toThrow();
    await writeFile(at("file"), "");
    expectError(await hedge("acl", "-o", at("file")), EXIT_CODES.input);
  });
});
