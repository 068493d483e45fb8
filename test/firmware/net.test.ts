/** The device's network port on lwIP, with a scripted broker or a hostile neighbour in the same program, under ASan and UBSan. Its clock is the test's. */
import { execFile } from "node:child_process";
import { access, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { beforeAll, describe, expect, it } from "vitest";
import { runProgram } from "../support/firmware.ts";
import { LWIP, netPrograms } from "../support/net-programs.ts";

/** Hostile streams, and neighbours, per run; HEDGE_RUNS asks for more. */
const STREAMS = Number(process.env.HEDGE_RUNS ?? 4000);

describe("network port", () => {
  let folder: string;
  let net: string;
  beforeAll(async () => {
    folder = await netPrograms("net");
    net = join(folder, "net-test");
  });

  it("connects, takes messages however they are cut, refuses nonsense, comes back, and says goodbye", async () => {
    const lines = await runProgram(net);
    expect(lines).toHaveLength(13);
    for (const line of lines) expect(line).toMatch(/^ok /);
  });

  it(`outlives ${STREAMS} hostile streams`, async () => {
    expect(await runProgram(net, ["fuzz", "0", String(STREAMS)])).toEqual([`ok ${STREAMS} hostile streams`]);
  });

  it(`finds its way by DHCP, DNS and SNTP, and outlives ${STREAMS} neighbours that send broken frames`, async () => {
    const lines = await runProgram(join(folder, "frames-test"), ["0", String(STREAMS)]);
    expect(lines).toEqual(["ok gets an address, the time and to the broker", `ok ${STREAMS} hostile neighbours`]);
  });

  it("needs each of lwIP's faults mended: with its MQTT client as it comes, the same tests fail", async () => {
    const original = await netPrograms("net-original", [`MQTT=${join(LWIP, "src/apps/mqtt/mqtt.c")}`]);
    const fails = ["takes split messages", "takes bursts", "takes long messages", "hangs up on nonsense"];
    for (const name of fails) await expect(runProgram(join(original, "net-test"), [name])).rejects.toThrow("not so");
    expect(await runProgram(join(original, "net-test"), ["connects"])).toEqual(["ok connects"]);
  });

  it("is not built of a version of lwIP that the patches do not know", async () => {
    const folder = await mkdtemp(join(tmpdir(), "hedge-lwip-"));
    const source = join(folder, "mqtt.c");
    const text = await readFile(join(LWIP, "src/apps/mqtt/mqtt.c"), "utf8");
    await writeFile(
      source,
      text.replace("res = altcp_close(client->conn);", "res = altcp_shutdown(client->conn, 1, 1);"),
    );
    const patch = ["firmware-wasm/net/patch.js", source, join(folder, "patched.c")];
    await expect(promisify(execFile)("node", patch)).rejects.toThrow(
      /is there 0 times instead of once.*Use lwIP 2\.1\.3/,
    );
    await expect(access(join(folder, "patched.c"))).rejects.toThrow();
    await rm(folder, { recursive: true });
  });
});
