/** Real boards are flashed by other people's tools; here each of them is a program that writes down how it was called, and has flash in a file. */
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { areaBytes, findBoard } from "../../src/boards/boards.ts";
import { modelsIn } from "../../src/boards/slot-area.ts";
import { writeBundle } from "../../src/bundle/write.ts";
import { EXIT_CODES } from "../../src/errors.ts";
import { decodeConfig } from "../../src/slot/device-config.ts";
import { generateKey, writeKey } from "../../src/slot/keys.ts";
import { hedge } from "../support/in-process.ts";
import { tinyBundle } from "../support/tiny-bundle.ts";

let parent: string;
let bundle: string;
let key: string;
beforeAll(async () => {
  parent = await mkdtemp(join(tmpdir(), "hedge-probe-"));
  [bundle, key] = [join(parent, "bundle"), join(parent, "signer.pem")];
  await writeBundle(bundle, await tinyBundle());
  await writeKey(key, generateKey(), false);
});
afterAll(() => rm(parent, { recursive: true, force: true }));

/** How a tool is told what to read and what to write: patterns over its arguments, of files, addresses and sizes. */
const TOOLS = {
  "nrf52840-dk": {
    tool: "openocd",
    start: "-f board/nordic_nrf52_dk.cfg -c ",
    read: "dump_image (?<file>\\S+) (?<address>0x\\w+) (?<bytes>\\d+);",
    write: "program (?<file>\\S+) (?<address>0x\\w+) verify reset exit",
  },
  "stm32f4-discovery": {
    tool: "openocd",
    start: "-f board/stm32f4discovery.cfg -c ",
    read: "dump_image (?<file>\\S+) (?<address>0x\\w+) (?<bytes>\\d+);",
    write: "program (?<file>\\S+) (?<address>0x\\w+) verify reset exit",
  },
  rp2040: {
    tool: "picotool",
    start: "",
    read: "save -f -r (?<address>0x\\w+) (?<end>0x\\w+) (?<file>\\S+) -t bin",
    write: "load -f -v -x (?<file>\\S+) -t bin -o (?<address>0x\\w+)",
  },
  esp32: {
    tool: "esptool",
    start: "--chip esp32 ",
    read: "read_flash (?<address>0x\\w+) (?<bytes>\\d+) (?<file>\\S+)",
    write: "write_flash (?<address>0x\\w+) (?<file>\\S+)",
  },
} as const;
type BoardName = keyof typeof TOOLS;

/** Puts a tool on the path whose board has erased flash. @returns its calls and its flash area so far */
async function standIn(name: BoardName): Promise<() => Promise<{ calls: string[]; area: Buffer }>> {
  const { tool, read, write } = TOOLS[name];
  const { slots, probe } = await findBoard(name);
  const folder = await mkdtemp(join(parent, "path-"));
  const [calls, flash] = [join(folder, "calls"), join(folder, "flash.bin")];
  await writeFile(flash, Buffer.alloc(areaBytes(slots!), 0xff));
  const script = `#!${process.execPath}
const { appendFileSync, readFileSync, writeFileSync } = require("fs");
const line = process.argv.slice(2).join(" ");
appendFileSync(${JSON.stringify(calls)}, line + "\\n");
const area = readFileSync(${JSON.stringify(flash)});
const at = ({ address }) => Number(address) - ${probe!.address};
const read = new RegExp(${JSON.stringify(read)}).exec(line)?.groups;
const write = new RegExp(${JSON.stringify(write)}).exec(line)?.groups;
if (read) writeFileSync(read.file, area.subarray(at(read), at(read) + Number(read.bytes ?? read.end - read.address)));
else if (write) { area.set(readFileSync(write.file), at(write)); writeFileSync(${JSON.stringify(flash)}, area); }
else process.exit(1);
`;
  await writeFile(join(folder, tool), script);
  await chmod(join(folder, tool), 0o755);
  vi.stubEnv("PATH", `${folder}:/usr/bin:/bin`);
  return async () => ({
    calls: (await readFile(calls, "utf8")).trim().split("\n"),
    area: await readFile(flash),
  });
}

it.each(Object.keys(TOOLS) as BoardName[])("%s: the slot that does not run, in turn", async (name) => {
  const state = await standIn(name);
  const { slots } = await findBoard(name);
  try {
    for (const [counter, slot] of [
      [1, 0],
      [2, 1],
    ] as const) {
      const { code, out, err } = await hedge(
        "flash",
        bundle,
        "--board",
        name,
        "--key",
        key,
        "-c",
        `${counter}`,
        "--json",
      );
      expect([code, err]).toEqual([0, ""]);
      expect(JSON.parse(out)).toMatchObject({ device: name, via: "probe", slot, counter, state: "confirmed" });
    }
    const refused = await hedge("flash", bundle, "--board", name, "--key", key, "-c", "2");
    expect([refused.code, refused.err]).toEqual([EXIT_CODES.input, expect.stringContaining("not above 2")]);
    const { calls, area } = await state();
    // Two models read and written, and what was there was read before the third was refused.
    expect(calls).toHaveLength(5);
    for (const call of calls) expect(call.startsWith(TOOLS[name].start)).toBe(true);
    expect(modelsIn(area, slots!).map(({ slot, header, confirmed }) => [slot, header.counter, confirmed])).toEqual([
      [1, 2, true],
      [0, 1, true],
    ]);
  } finally {
    vi.unstubAllEnvs();
  }
});

it.each(["nrf52840-dk", "rp2040"] as const)(
  "%s: its configuration, and a seed where it needs one; then it takes its signer's models only",
  async (name) => {
    const state = await standIn(name);
    const { slots } = await findBoard(name);
    try {
      const device = ["--id", "porch", "-b", "mqtt://broker.example:2883", "--time", "time.example"];
      const { code, err } = await hedge(
        "board",
        "configure",
        name,
        ...device,
        "--trust",
        key.replace(".pem", ".pub.pem"),
      );
      expect([code, err]).toEqual([0, ""]);
      const { area, calls } = await state();
      expect(calls).toHaveLength(slots!.seed ? 2 : 1);
      const config = decodeConfig(area.subarray(slots!.config.offset), "flash");
      expect(config).toMatchObject({ id: "porch", transport: "mqtt", broker: "broker.example", brokerPort: 2883 });
      expect(config).toMatchObject({ timeServer: "time.example", timePort: 123, tls: false });
      expect(config.signers).toHaveLength(1);
      if (slots!.seed) {
        const seed = area.subarray(slots!.seed.offset, slots!.seed.offset + slots!.seed.bytes);
        expect(new Set(seed.subarray(0, 32)).size).toBeGreaterThan(16);
        expect(seed.subarray(32).every((byte) => byte === 0xff)).toBe(true);
      }
      const foreign = join(parent, "foreign.pem");
      await writeKey(foreign, generateKey(), true);
      const refused = await hedge("flash", bundle, "--board", name, "--key", foreign);
      expect([refused.code, refused.err]).toEqual([EXIT_CODES.input, expect.stringContaining("not trusted")]);
      expect((await hedge("flash", bundle, "--board", name, "--key", key)).code).toBe(0);
    } finally {
      vi.unstubAllEnvs();
    }
  },
);

it.each([
  ["a board that no tool writes", ["mps2-an386", "--trust", "x"], "names no tool"],
  ["nobody to trust", ["nrf52840-dk"], "whose models"],
])("configure refuses %s", async (_, args, sentence) => {
  const { code, err } = await hedge("board", "configure", ...args);
  expect([code, err]).toEqual([EXIT_CODES.usage, expect.stringContaining(sentence)]);
});

it.each(Object.keys(TOOLS) as BoardName[])("%s: says what to install where its tool is missing", async (name) => {
  const empty = join(parent, "empty");
  await mkdir(empty, { recursive: true });
  vi.stubEnv("PATH", empty);
  try {
    const { code, err } = await hedge("flash", bundle, "--board", name, "--key", key);
    expect(code).toBe(EXIT_CODES.input);
    expect(err).toContain(`${TOOLS[name].tool} is not installed, which flashes ${name}.`);
    expect(err).toContain(`apt-get install ${TOOLS[name].tool}`);
  } finally {
    vi.unstubAllEnvs();
  }
});

it("what a tool complained of is told, with the command to try by hand", async () => {
  const folder = await mkdtemp(join(parent, "path-"));
  await writeFile(join(folder, "openocd"), "#!/bin/sh\necho 'Error: no device found' >&2\nexit 1\n");
  await chmod(join(folder, "openocd"), 0o755);
  vi.stubEnv("PATH", `${folder}:/usr/bin:/bin`);
  try {
    const { code, err } = await hedge("flash", bundle, "--board", "nrf52840-dk", "--key", key);
    expect(code).toBe(EXIT_CODES.network);
    expect(err).toMatch(/exit code 1.*no device found/);
    expect(err).toContain("by hand: openocd -f board/nordic_nrf52_dk.cfg -c 'init;");
  } finally {
    vi.unstubAllEnvs();
  }
});

it("--dry-run shows the command lines and runs none", async () => {
  const { code, out } = await hedge("flash", bundle, "--board", "stm32f4-discovery", "--dry-run", "--json");
  expect(code).toBe(0);
  expect(JSON.parse(out)).toEqual({
    read: "openocd -f board/stm32f4discovery.cfg -c 'init; reset halt; dump_image area.bin 0x08060000 655360; resume; exit'",
    write: [
      "openocd -f board/stm32f4discovery.cfg -c 'program slot.bin 0x08080000 verify reset exit'",
      "openocd -f board/stm32f4discovery.cfg -c 'program slot.bin 0x080c0000 verify reset exit'",
    ],
  });
});

it("needs a key for a board that has none of its own", async () => {
  const { code, err } = await hedge("flash", bundle, "--board", "nrf52840-dk", "--via", "probe");
  expect([code, err]).toEqual([EXIT_CODES.usage, expect.stringContaining("Nothing says which key signs the model.")]);
});
