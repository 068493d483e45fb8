import { afterEach, describe, expect, it } from "vitest";
import { tinyCloudOnnx } from "../../test/support/tiny-cloud.ts";
import { SessionPool } from "./session-pool.ts";

const FRAGILE = new URL("../../test/support/fragile-thread.js", import.meta.url);
const DIMS = [1, 1, 2, 2];
const MODEL = { name: "tiny", onnx: tinyCloudOnnx(), input: "cut", output: "logits" };

const pools: SessionPool[] = [];
afterEach(async () => {
  for (const pool of pools.splice(0)) await pool.close();
});
async function open(threads: number, script?: URL): Promise<SessionPool> {
  const pool = await SessionPool.open([MODEL], threads, script);
  pools.push(pool);
  return pool;
}

describe("the session pool", () => {
  it("gives each sample its own logits, however many are in work", async () => {
    const pool = await open(2);
    const inputs = Array.from({ length: 50 }, (_, i) => Float32Array.of(i, -i, 2 * i, 1));
    const logits = await Promise.all(inputs.map((values) => pool.run(0, values, DIMS)));
    expect(logits.map((row) => Array.from(row))).toEqual(
      inputs.map((_, i) => [3 * i + 5 * i + 2 * i + 2, -2 * i - 4 * i - 14 * i + 1, i - i + 12 * i - 8]),
    );
  });

  it("says what onnxruntime says of an input that does not fit, and goes on", async () => {
    const pool = await open(1);
    await expect(pool.run(0, new Float32Array(6), [1, 1, 2, 3])).rejects.toThrow(/dimension/i);
    expect(Array.from(await pool.run(0, Float32Array.of(1, 0, 0, 0), DIMS))).toEqual([3, -2, 1]);
    expect(pool.deaths).toBe(0);
  });

  it("gives up a sample that kills threads, and loses no other", async () => {
    const pool = await open(2, FRAGILE);
    const values = (i: number) => Float32Array.of(i % 20 === 7 ? -1 : i, 0, 0, 0);
    const runs = Array.from({ length: 40 }, (_, i) =>
      pool.run(0, values(i), DIMS).then(
        (row) => row[0],
        () => "died",
      ),
    );
    expect(await Promise.all(runs)).toEqual(runs.map((_, i) => (i % 20 === 7 ? "died" : i)));
    // Two samples, three starts each.
    expect(pool.deaths).toBe(6);
  });

  it("rejects what is not done when it is closed", async () => {
    const pool = await open(1);
    const runs = Array.from({ length: 20 }, () => pool.run(0, new Float32Array(4), DIMS).catch((error) => error));
    await pool.close();
    for (const outcome of await Promise.all(runs.slice(1))) expect(outcome).toBeInstanceOf(Error);
  });
});
