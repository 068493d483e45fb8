import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { BROKERS, freePort } from "../../test/support/brokers.ts";
import { buildCli, runCli, startCli } from "../../test/support/built.ts";
import { tinyHybrid } from "../../test/support/tiny-cloud.ts";
import { writeBundle } from "../bundle/write.ts";
import { EXIT_CODES } from "../errors.ts";

let parent: string;
let folder: string;
beforeAll(async () => {
  buildCli();
  parent = await mkdtemp(join(tmpdir(), "hedge-cli-"));
  folder = join(parent, "bundle");
  await writeBundle(folder, await tinyHybrid());
});
afterAll(() => rm(parent, { recursive: true, force: true }));

describe("help", () => {
  it("lists the commands, and says where exit codes are explained", async () => {
    const { code, stdout } = await runCli(["--help"]);
    expect(code).toBe(0);
    for (const command of ["worker", "broker"]) expect(stdout).toContain(`\n  ${command} `);
    expect(stdout).toContain("hedge help exit-codes");
    expect(stdout).not.toContain("exit-codes\n  ");
  });

  it("explains every exit code", async () => {
    const { code, stdout } = await runCli(["help", "exit-codes"]);
    expect(code).toBe(0);
    for (const number of Object.values(EXIT_CODES)) expect(stdout).toMatch(new RegExp(`^ {2}${number} {2}\\w`, "m"));
  });

  it("is what a call without a command gets, as an error", async () => {
    const { code, stdout, stderr } = await runCli([]);
    expect([code, stdout]).toEqual([EXIT_CODES.usage, ""]);
    expect(stderr).toContain("Usage: hedge");
  });
});

describe("an error", () => {
  it.each([
    ["an unknown command", ["brokr"], "Unknown command 'brokr'.", "Did you mean broker?"],
    ["a missing argument", ["inspect"], "Missing required argument 'bundle'.", "See hedge --help"],
    ["a worker without models", ["worker"], "The worker has no bundle to serve.", "--store"],
    ["an unknown option", ["broker", "--prot", "1"], "Unknown option '--prot'.", "Did you mean --port?"],
    ["a port that is none", ["broker", "--port", "70000"], "argument '70000' is invalid.", "from 0 to 65535"],
    ["a log level that is none", ["gateway", "x", "--log-level", "loud"], '"loud" is no log level.', "debug, info"],
  ])("of usage: %s", async (_, args, sentence, remedy) => {
    const { code, stdout, stderr } = await runCli(args);
    expect([code, stdout]).toEqual([EXIT_CODES.usage, ""]);
    expect(stderr).toMatch(/^error: /);
    expect(stderr).toContain(sentence);
    expect(stderr).toContain(remedy);
  });

  it("of input names the file", async () => {
    const missing = join(parent, "nothing");
    const { code, stderr } = await runCli(["worker", missing]);
    expect(code).toBe(EXIT_CODES.input);
    expect(stderr).toContain(join(missing, "manifest.json"));
  });

  it("of the network names the broker, and is JSON on request", async () => {
    const broker = `mqtt://127.0.0.1:${await freePort()}`;
    const { code, stdout, stderr } = await runCli(["--json", "--quiet", "worker", folder, "--broker", broker]);
    expect([code, stdout]).toEqual([EXIT_CODES.network, ""]);
    expect(JSON.parse(stderr)).toEqual({
      error: {
        kind: "network",
        message: expect.stringContaining(broker),
        remedy: expect.stringContaining("hedge broker"),
      },
    });
  });

  it("of a port in use ends the broker", async () => {
    const broker = await BROKERS.aedes();
    const { code, stderr } = await runCli(["broker", "--port", String(broker.port)]);
    await broker.close();
    expect(code).toBe(EXIT_CODES.network);
    expect(stderr).toContain(`cannot listen on 127.0.0.1:${broker.port} (EADDRINUSE)`);
  });
});

describe("commands that run until they are stopped", () => {
  it("say that they are ready, and stop with code 0 at SIGTERM", async () => {
    const broker = await startCli(["broker", "--port", "0", "--json"]);
    const { url } = JSON.parse(broker.line) as { url: string };
    expect(url).toMatch(/^mqtt:\/\/127\.0\.0\.1:\d+$/);
    const worker = await startCli(["worker", folder, "--broker", url, "--name", "w", "--processes", "1"]);
    expect(worker.line).toBe(`w ready at ${url} for tiny`);
    onTestFinished(() => {
      // After a failure nothing may stay behind.
      for (const { child } of [worker, broker]) child.kill("SIGKILL");
    });
    for (const { child } of [worker, broker]) {
      const exited = once(child, "exit");
      child.kill("SIGTERM");
      expect(await exited).toEqual([0, null]);
    }
  });
});
