import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Worker } from "node:worker_threads";
import { expect, test } from "vitest";
import { wat } from "./build.ts";

const script = fileURLToPath(new URL("lifetime.js", import.meta.url));
const bytes = wat(`(module
  (import "host" "fill" (func $fill (param i32)))
  (memory 1)
  (func (export "run") (param i32) (result i32) (call $fill (local.get 0)) (i32.load8_u (local.get 0))))`);
const hex = Buffer.from(bytes).toString("hex");

/** An instance takes over 100 KiB here, so 20,000 that leaked would take 2 GiB; 16 MiB are 840 bytes each. */
const BOUND_MIB = 16;
/** A small young generation, so that the collector's own growth does not hide a leak. */
const FLAGS = ["--expose-gc", "--max-semi-space-size=1"];

test.each(["free", "collect", "refuse", "images"])(
  "20,000 cycles leave the process's memory flat: %s",
  async (mode) => {
    const { stdout } = await promisify(execFile)(process.execPath, [...FLAGS, script, mode, hex]);
    const { before, after } = JSON.parse(stdout) as { before: number; after: number };
    expect(after - before).toBeLessThan(BOUND_MIB);
  },
);

test("instances in several threads at once, and a thread that ends with instances alive", async () => {
  const entry = new URL("../index.js", import.meta.url);
  const source = `
    import { load } from ${JSON.stringify(entry.href)};
    import { parentPort } from "node:worker_threads";
    const bytes = Buffer.from("${hex}", "hex");
    let sum = 0;
    const kept = [];
    for (let i = 0; i < 500; ++i) {
      const instance = load(bytes, { imports: { host: { fill: (at) => instance.memory.write(at, Uint8Array.of(at)) } } });
      kept.push(instance);
      sum += instance.call("run", i % 100);
    }
    parentPort.postMessage(sum);`;
  const sums = await Promise.all(
    [1, 2, 3].map(
      () =>
        new Promise((resolve, reject) => {
          let sum: unknown;
          new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`))
            .on("message", (message) => {
              sum = message;
            })
            .on("error", reject)
            .on("exit", () => resolve(sum));
        }),
    ),
  );
  expect(sums).toEqual([24750, 24750, 24750]);
});
