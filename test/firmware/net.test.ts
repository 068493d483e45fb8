/** The device's network port on lwIP, with a scripted broker in the same program, under ASan and UBSan: its clock is the test's, so it takes no time. */
import { execFile } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { beforeAll, describe, expect, it } from "vitest";
import { runProgram } from "../support/firmware.ts";

const run = promisify(execFile);
const ROOT = join(import.meta.dirname, "../..");
const BUILD = join(ROOT, "build/test-firmware");
const LWIP = process.env.LWIP_SOURCE ?? join(ROOT, "build/third-party/lwip");
/** Hostile streams per run; HEDGE_RUNS asks for more. */
const STREAMS = Number(process.env.HEDGE_RUNS ?? 4000);

async function program(name: string, variables: readonly string[] = []): Promise<string> {
  mkdirSync(BUILD, { recursive: true });
  const image = join(BUILD, name);
  const make = ["make", "-s", "-C", join(ROOT, "firmware-wasm"), "-f", "test/net/Makefile", `IMAGE=${image}`];
  await run("flock", [join(BUILD, `${name}.lock`), ...make, `LWIP_SOURCE=${LWIP}`, ...variables]);
  return join(image, "net-test");
}

describe("network port", () => {
  let net: string;
  beforeAll(async () => {
    net = await program("net");
  }, 120_000);

  it("connects, takes messages however they are cut, refuses nonsense, comes back, and says goodbye", async () => {
    const lines = await runProgram(net);
    expect(lines).toHaveLength(13);
    for (const line of lines) expect(line).toMatch(/^ok /);
  });

  it(`outlives ${STREAMS} hostile streams`, async () => {
    expect(await runProgram(net, ["fuzz", "0", String(STREAMS)])).toEqual([`ok ${STREAMS} hostile streams`]);
  }, 60_000);

  it("needs each of lwIP's faults mended: with its MQTT client as it comes, the same tests fail", async () => {
    const original = await program("net-original", [`MQTT=${join(LWIP, "src/apps/mqtt/mqtt.c")}`]);
    const fails = ["takes split messages", "takes bursts", "takes long messages", "hangs up on nonsense"];
    for (const name of fails) await expect(runProgram(original, [name])).rejects.toThrow("not so");
    expect(await runProgram(original, ["connects"])).toEqual(["ok connects"]);
  }, 120_000);
});
