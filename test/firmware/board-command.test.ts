/** `hedge board` as users run it: compiled, with real QEMU, and without. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { HOST_ADDRESS } from "../../src/boards/emulator.ts";
import { readRunning, statePaths } from "../../src/boards/state.ts";
import { writeBundle } from "../../src/bundle/write.ts";
import { EXIT_CODES } from "../../src/errors.ts";
import { startMosquitto } from "../../src/explore/mosquitto.ts";
import { buildBoards } from "../support/board-firmware.ts";
import { buildCli, runCli } from "../support/built.ts";
import { authority, signedBy } from "../support/certificates.ts";
import { tinyBundle } from "../support/tiny-bundle.ts";

const BOARD = "mps2-an385";
let parent: string;
/** Longer than a socket's path may be. */
let folder: string;
let state: readonly string[];
/** make firmware writes beside the sources; what tests compile lies elsewhere. */
const FIRMWARE = join(import.meta.dirname, `../../build/firmware/${BOARD}/firmware.elf`);

beforeAll(async () => {
  buildCli();
  await buildBoards([BOARD]);
  parent = await mkdtemp(join(tmpdir(), "hedge-board-"));
  folder = join(parent, "a-long-name-".repeat(10), "state, with a comma");
  state = ["--state", folder];
});
afterAll(() => rm(parent, { recursive: true, force: true }));

const run = ["board", "run", BOARD, "--id", "porch", "--transport", "uart", "--firmware", FIRMWARE];

describe("a board in the background", () => {
  it("is asked, reset and stopped; a second one from the same folder is refused", async () => {
    const started = await runCli([...run, ...state, "--detach", "--json"]);
    expect([started.code, started.stderr]).toEqual([0, ""]);
    expect(JSON.parse(started.stdout)).toMatchObject({ running: { board: BOARD, id: "porch" }, folder });
    try {
      const status = await runCli(["board", "status", "porch", ...state, "--json"]);
      expect(JSON.parse(status.stdout).description).toMatchObject({
        device: "porch",
        board: BOARD,
        counts: { samples: 0 },
      });
      expect((await runCli(["board", "status", "porch", ...state])).stdout).toMatch(/^device +porch on mps2-an385/);
      for (const detach of [[], ["--detach"]]) {
        const again = await runCli([...run, ...state, ...detach]);
        expect([again.code, again.stderr]).toEqual([EXIT_CODES.usage, expect.stringContaining("runs from")]);
      }
      expect((await runCli(["board", "reset", "porch", ...state])).stdout).toBe("porch starts again\n");
      const { uptimeSeconds } = JSON.parse(
        (await runCli(["board", "status", "porch", ...state, "--json"])).stdout,
      ).description;
      expect(uptimeSeconds).toBeGreaterThanOrEqual(0);
    } finally {
      await runCli(["board", "stop", "porch", ...state]);
    }
    expect(await readRunning(folder)).toBeUndefined();
    // The folder still knows whose it is.
    const bundle = join(parent, "bundle");
    await writeBundle(bundle, await tinyBundle());
    const flashed = await runCli(["flash", bundle, "--board", "porch", ...state, "--json"]);
    expect(JSON.parse(flashed.stdout)).toMatchObject({ device: "porch", via: "file", slot: 0 });
    const log = await readFile(statePaths(folder).log, "utf8");
    expect(log.match(/porch on mps2-an385, firmware/g)).toHaveLength(2);
    const stopped = await runCli(["board", "stop", "porch", ...state]);
    expect([stopped.code, stopped.stderr]).toEqual([EXIT_CODES.usage, expect.stringContaining("No board runs from")]);
  });

  it.each([
    ["before it is started, leaving nothing behind", ["--firmware", "none.elf"], "There is no firmware for", false],
    ["when it ends by itself", ["--firmware", FIRMWARE, "-b", "mqtts://x"], "with TLS it needs", true],
  ])("tells what is wrong %s", async (_, args, sentence, isMade) => {
    const at = join(parent, "never");
    const { code, stderr } = await runCli(["board", "run", BOARD, ...args, "--state", at, "--detach", "--json"]);
    const { error } = JSON.parse(stderr);
    expect([code, error.kind, error.message]).toEqual([EXIT_CODES.input, "input", expect.stringContaining(sentence)]);
    expect(error.remedy).not.toBe("");
    expect(existsSync(at)).toBe(isMade);
  });
});

/** Starts a board in the foreground; its output comes line by line. */
function start(command: readonly string[] = [...run, ...state]) {
  const child = spawn(process.execPath, [buildCli(), ...command], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  return { child, ended: once(child, "close"), line: async () => (await lines.next()).value as string };
}

describe("a board in the foreground", () => {
  it.each(["SIGINT", "SIGTERM"] as const)("shows its log, and ends with %s", async (signal) => {
    const { child, ended, line } = start([...run, ...state, "--json"]);
    expect(JSON.parse(await line())).toMatchObject({ running: { id: "porch", pid: child.pid } });
    expect(JSON.parse(await line())).toEqual({ log: expect.stringContaining("porch on mps2-an385") });
    child.kill(signal);
    expect(await ended).toEqual([0, null]);
    expect(await readRunning(folder)).toBeUndefined();
  });

  it("leaves no QEMU behind when it is killed, and the next one starts", async () => {
    const first = start();
    await first.line();
    first.child.kill("SIGKILL");
    await first.ended;
    const next = start();
    expect(await next.line()).toContain("porch (mps2-an385) runs: tcp:127.0.0.1:");
    next.child.kill("SIGTERM");
    expect(await next.ended).toEqual([0, null]);
  });
});

it("a board speaks TLS with the certificates and the key that files hold", async () => {
  await buildBoards([BOARD], "tls");
  const files = join(parent, "tls");
  await mkdir(files);
  const ca = await authority(files, "authority");
  const server = await signedBy(ca, files, "server", [`subjectAltName=IP:${HOST_ADDRESS}`]);
  const own = await signedBy(ca, files, "porch", ["extendedKeyUsage=clientAuth"]);
  const broker = await startMosquitto(undefined, [
    `cafile ${ca.certificate}`,
    `certfile ${server.certificate}`,
    `keyfile ${server.key}`,
    "require_certificate true",
    "user root", // for the keys are this process's own
  ]);
  try {
    const secrets = ["--ca", ca.certificate, "--cert", own.certificate, "--key", own.key];
    const firmware = FIRMWARE.replace(BOARD, `${BOARD}-tls`);
    const url = `mqtts://localhost:${broker.port}`;
    const board = ["board", "run", BOARD, "--variant", "tls", "--firmware", firmware, "-b", url, "--state", files];
    const { child, ended, line } = start([...board, ...secrets]);
    for (let said = ""; said !== `net: connected to ${HOST_ADDRESS}`; ) {
      said = await line();
      expect(said).not.toContain("connection lost");
    }
    child.kill("SIGTERM");
    expect(await ended).toEqual([0, null]);
    // Nobody told this machine whom the broker's certificate is of.
    const { code, stderr } = await runCli(["monitor", "--device", BOARD, "--broker", url]);
    expect([code, stderr]).toEqual([EXIT_CODES.network, expect.stringMatching(/is not trusted: .*\n.*--tls-ca/)]);
  } finally {
    await broker.close();
  }
});

describe("refused:", () => {
  it.each([
    ["a board that nobody emulates", ["nrf52840-dk"], EXIT_CODES.usage, "nrf52840-dk is not emulated."],
    ["a board that nobody knows", ["uno"], EXIT_CODES.usage, 'No board is called "uno".'],
    [
      "a name that no device can have",
      [BOARD, "--firmware", FIRMWARE, "--id", "../porch"],
      EXIT_CODES.usage,
      "cannot name",
    ],
    ["a broker that is none", [BOARD, "--firmware", FIRMWARE, "-b", "here"], EXIT_CODES.usage, "is not the address"],
    ["TLS by firmware without it", [BOARD, "-b", "mqtts://x"], EXIT_CODES.usage, "The plain firmware speaks no TLS."],
    [
      "TLS without an authority",
      [BOARD, "--firmware", FIRMWARE, "-b", "mqtts://x"],
      EXIT_CODES.input,
      "with TLS it needs",
    ],
    [
      "a key that is none",
      [BOARD, "--firmware", FIRMWARE, "--key", "package.json"],
      EXIT_CODES.input,
      "holds no private key",
    ],
  ])("%s", async (_, args, code, sentence) => {
    const outcome = await runCli(["board", "run", ...args, "--state", join(parent, "refused")]);
    expect([outcome.code, outcome.stderr]).toEqual([code, expect.stringContaining(sentence)]);
  });

  it.each([[[]], [["--detach"]]])("a state folder that cannot be one (%s)", async (detach) => {
    const { code, stderr } = await runCli([...run, "--state", "package.json/board", ...detach]);
    expect([code, stderr]).toEqual([EXIT_CODES.input, expect.stringContaining("cannot be written (ENOTDIR)")]);
  });

  it("a board where there is no QEMU: it says what to install", async () => {
    const path = join(parent, "path");
    await mkdir(path, { recursive: true });
    await symlink("/usr/bin/setpriv", join(path, "setpriv"));
    const before = process.env.PATH;
    process.env.PATH = path;
    try {
      const { code, stderr } = await runCli([...run, "--state", join(parent, "no-qemu")]);
      expect([code, stderr]).toEqual([EXIT_CODES.input, expect.stringContaining("it is not installed")]);
      expect(stderr).toContain("apt-get install qemu-system-arm");
    } finally {
      process.env.PATH = before;
    }
  });
});

it("lists the boards that can be run", async () => {
  const { stdout } = await runCli(["board", "list"]);
  for (const name of ["mps2-an385", "mps2-an386", "mps2-an505", "riscv-virt"]) expect(stdout).toContain(`${name} `);
  expect(stdout).not.toContain("nrf52840-dk");
});
