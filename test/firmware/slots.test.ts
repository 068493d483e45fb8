/** Model slots on the device, in C under ASan and UBSan, on flash that can lose its power; and images that C and TypeScript both know. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { areaBytes, findBoard } from "../../src/boards/boards.ts";
import { counterFloor, modelsIn, slotBytes, targetSlot } from "../../src/boards/slot-area.ts";
import { type DeviceConfigInput, decodeConfig, encodeConfig } from "../../src/slot/device-config.ts";
import { HEADER_BYTES } from "../../src/slot/header.ts";
import { createImage, parseImage, readImage, verifyImage } from "../../src/slot/image.ts";
import { generateKey, publicKeyAt } from "../../src/slot/keys.ts";
import { runProgram, testProgram } from "../support/firmware.ts";
import { tinyBundle } from "../support/tiny-bundle.ts";

const SEED = process.env.HEDGE_SEED ?? "1";
const CUT_RUNS = 2000;
const FUZZ_RUNS = 10_000;

const folder = mkdtempSync(join(tmpdir(), "hedge-slots-"));
afterAll(() => rmSync(folder, { recursive: true }));
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

describe("slots", () => {
  it("take what is signed and whole, try it once, and refuse the rest with the right verdict", async () => {
    const lines = await runProgram(await testProgram("slot_test", ["crypto"]), [String(FUZZ_RUNS), SEED]);
    expect(lines).toHaveLength(23);
    for (const line of lines) expect(line).toMatch(/^ok /);
  });

  it("survive power cuts", async () => {
    const program = await testProgram("power_cut_test", ["crypto"]);
    const lines = await runProgram(program, [String(CUT_RUNS), SEED]);
    expect(lines.filter((line) => line.startsWith("BRICK"))).toEqual([]);
    const cuts = [...lines.find((line) => line.startsWith("cuts "))!.matchAll(/ (\w+) (\d+)/g)];
    expect(cuts.map(([, phase]) => phase)).toEqual(["start", "begin", "chunk", "finish", "confirm", "reject"]);
    // Each kind of operation was hit; of the random ones a few runs end before their fifth.
    for (const [, , count] of cuts) expect(Number(count)).toBeGreaterThan(40);
    const operations = lines.slice(0, 2).map((line) => Number(/: operations (\d+), each cut /.exec(line)![1]));
    const total = cuts.reduce((sum, [, , count]) => sum + Number(count), 0);
    expect(total - 6 * (operations[0]! + operations[1]!)).toBeGreaterThan(4.9 * CUT_RUNS);
    expect(lines.at(-1)).toBe("bricks 0");
  });
});

/** Lines of "name value". */
function valuesOf(lines: readonly string[]): Record<string, string> {
  return Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf(" ")), line.slice(line.indexOf(" ") + 1)]));
}

describe("C and TypeScript", () => {
  let program: string;
  beforeAll(async () => {
    program = await testProgram("slot_file");
  });
  const file = join(folder, "file.bin");
  const inC = async (command: "read" | "start" | "config", bytes: Uint8Array, ...rest: string[]) => {
    writeFileSync(file, bytes);
    return valuesOf(await runProgram(program, [command, file, ...rest]));
  };

  it.each([false, true])("read the same from an image of hedge sign (edge-only: %s)", async (edgeOnly) => {
    const key = generateKey();
    const bundle = await tinyBundle({ edgeOnly });
    const { header, bytes } = createImage(bundle, key, 4_000_000_000);
    const { verdict, wasm, weights, ...fields } = await inC("read", bytes, hex(key.point));
    expect(verdict).toBe("ok");
    expect(fields).toEqual(
      Object.fromEntries(Object.entries({ ...header, hybrid: Number(header.hybrid) }).map(([k, v]) => [k, String(v)])),
    );
    expect([wasm, weights]).toEqual([hex(bundle.edgeWasm), hex(bundle.weights)]);
  });

  it("refuse the same images", async () => {
    const [key, other] = [generateKey(), generateKey()];
    const { bytes } = createImage(await tinyBundle(), key, 7);
    const point = hex(key.point);
    const refused = async (change: (image: Buffer) => Uint8Array): Promise<string | undefined> => {
      const altered = change(Buffer.from(bytes));
      expect(() => verifyImage(parseImage(altered, "it"), [key], "it")).toThrow(/^it /);
      return (await inC("read", altered, point)).verdict;
    };
    const turned = (at: number) => (image: Buffer) => {
      image[at]! ^= 1;
      return image;
    };
    expect(await refused(turned(0))).toBe("bad header");
    expect(await refused(turned(8))).toBe("bad signature");
    expect(await refused(turned(HEADER_BYTES - 1))).toBe("bad signature");
    expect(await refused(turned(HEADER_BYTES))).toBe("damaged: its hash differs");
    expect(await refused((image) => image.subarray(0, -1))).toBe("damaged: its hash differs");
    expect((await inC("read", bytes, hex(other.point))).verdict).toBe("signed by an unknown key");
    expect(() => verifyImage(parseImage(bytes, "it"), [other], "it")).toThrow("not trusted");
    expect((await inC("read", bytes, point)).verdict).toBe("ok");
  });

  it("agree on images that C made and signed", async () => {
    const writer = await testProgram("slot_writer", ["crypto"]);
    for (let seed = 1; seed <= 8; seed++) {
      const [counter, point] = (await runProgram(writer, [file, String(seed)]))[0]!.split(" ") as [string, string];
      const image = await readImage(file);
      expect(image.header).toMatchObject({ counter: Number(counter), hybrid: true, classes: 10, steps: 7 });
      verifyImage(image, [publicKeyAt(Buffer.from(point, "hex"))], file);
    }
  });

  it("know alike which model runs, and which counters are too low", async () => {
    const key = generateKey();
    const bundle = await tinyBundle();
    const { slots } = await findBoard("mps2-an386");
    const { offsets, slotBytes: bytes, sectorBytes } = slots!;
    const states = ["none", "new", "confirmed", "givenUp"] as const;
    for (const [first, second] of states.flatMap((a) => states.map((b) => [a, b] as const)))
      for (const counters of [
        [5, 6],
        [6, 5],
      ]) {
        const area = Buffer.alloc(areaBytes(slots!), 0xff);
        for (const [slot, state] of [first, second].entries()) {
          if (state === "none") continue;
          const start = offsets[slot as 0 | 1];
          area.set(slotBytes(createImage(bundle, key, counters[slot]!), slots!, state === "confirmed"), start);
          if (state === "givenUp") area.write("HedgeSet", start + bytes - sectorBytes + 64, "latin1");
        }
        const inTypeScript = modelsIn(area, slots!);
        const floor = counterFloor(area, slots!);
        const onTrial = inTypeScript.filter(({ header, confirmed }) => !confirmed && header.counter > floor);
        const expected = onTrial[0] ?? inTypeScript.find(({ confirmed }) => confirmed);
        const slotsOnly = Buffer.concat(offsets.map((offset) => area.subarray(offset, offset + bytes)));
        expect(await inC("start", slotsOnly, hex(key.point)), `${first} ${second} ${counters}`).toEqual({
          active: String(expected?.slot ?? -1),
          trial: String(Number(onTrial.length > 0)),
          floor: String(floor),
        });
        if (onTrial.length === 0) expect(targetSlot(area, slots!)).toBe(expected?.slot === 0 ? 1 : 0);
      }
  });

  it("read the same from any configuration", async () => {
    const blob = fc.uint8Array({ minLength: 1, maxLength: 600 }).map((bytes) => Buffer.from(bytes));
    const ms = fc.integer({ min: 1, max: 86_400_000 });
    const host = fc.stringMatching(/^[a-z0-9.-]{1,63}$/);
    const port = fc.integer({ min: 1, max: 65535 });
    const point = fc.uint8Array({ minLength: 64, maxLength: 64 }).map((rest) => Buffer.from([4, ...rest]));
    const config: fc.Arbitrary<DeviceConfigInput> = fc
      .record({
        id: fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_-]{0,22}$/),
        transport: fc.constantFrom("uart" as const, "mqtt" as const),
        broker: host,
        brokerPort: port,
        tls: fc.boolean(),
        ca: blob,
        pair: fc.option(fc.record({ certificate: blob, key: blob }), { nil: {} }),
        timeServer: fc.oneof(host, fc.constant("")),
        timePort: port,
        signers: fc.array(point, { maxLength: 2 }),
        deadlineMs: ms,
        retries: fc.tuple(ms, ms),
        confirmMs: ms,
      })
      .map(({ pair, retries, ...rest }) => {
        const [retryFirstMs, retryLongestMs] = retries.toSorted((a, b) => a - b) as [number, number];
        return { ...rest, ...pair, retryFirstMs, retryLongestMs };
      });
    await fc.assert(
      fc.asyncProperty(config, async (given) => {
        const block = encodeConfig(given, 16384);
        const area = Buffer.concat([block, Buffer.alloc(100, 0xff)]);
        const read = decodeConfig(area, "the flash");
        expect(read).toMatchObject(given);
        const { ca, certificate, key, signers, transport, tls, ...plain } = read;
        const numbers = Object.fromEntries(Object.entries(plain).map(([name, value]) => [name, String(value)]));
        expect(await inC("config", area)).toEqual({
          ...numbers,
          transport: transport === "mqtt" ? "1" : "0",
          tls: tls ? "1" : "0",
          ca: hex(ca),
          certificate: hex(certificate),
          key: hex(key),
          signer0: hex(signers[0] ?? new Uint8Array()),
          signer1: hex(signers[1] ?? new Uint8Array()),
        });
      }),
      { numRuns: 40 },
    );
  });

  it("refuse the same damaged configurations", async () => {
    const block = encodeConfig({ id: "bench-1", transport: "uart", signers: [generateKey().point] }, 16384);
    const damages: [string, (bytes: Buffer) => Uint8Array][] = [
      ["magic", (bytes) => bytes.fill(0x58, 0, 1)],
      ["format", (bytes) => bytes.fill(2, 4, 5)],
      ["length", (bytes) => bytes.fill(0xff, 8, 12)],
      ["check", (bytes) => bytes.fill(bytes[12]! ^ 1, 12, 13)],
      ["content", (bytes) => bytes.fill(0x78, 20, 21)],
      ["end", (bytes) => bytes.subarray(0, -1)],
      ["everything", (bytes) => bytes.fill(0xff)],
    ];
    for (const [what, damage] of damages) {
      const damaged = damage(Buffer.from(block));
      expect(() => decodeConfig(damaged, "it"), what).toThrow(/^it /);
      expect(await inC("config", damaged), what).toEqual({ refuse: "refused" });
    }
  });
});
