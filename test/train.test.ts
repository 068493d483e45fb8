/** The trainer's own tests (Python, tools/train/tests): a short real training, resumed and exported. */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { hasCifar10 } from "../src/explore/cifar10.ts";
import { readStrip } from "../src/explore/strip.ts";

const MODULES = "import numpy, onnx, torch";
const run = promisify(execFile);

/** $PYTHON, else Debian's (another python3 may come before it), else any that has the trainer's modules. */
async function findPython(): Promise<string> {
  for (const python of [process.env.PYTHON, "/usr/bin/python3", "python3"]) {
    if (python && (await run(python, ["-c", MODULES]).catch(() => undefined))) return python;
  }
  throw new Error("no python3 has torch, numpy and onnx: make train-deps");
}

/** data/cifar10 where it was fetched, else the 500 shipped images as both training and test set. */
async function findData(temporary: string): Promise<string> {
  if (existsSync("data/cifar10") && (await hasCifar10("data/cifar10"))) return "data/cifar10";
  const { images, labels } = await readStrip("models/cifar10-test-500");
  const records = Buffer.concat(images.map((image, i) => Buffer.of(labels[i]!, ...image)));
  for (const name of ["train.bin", "test.bin"]) await writeFile(join(temporary, name), records);
  return temporary;
}

it("trains, resumes and exports", { timeout: 600_000 }, async () => {
  const temporary = await mkdtemp(join(tmpdir(), "hedge-train-"));
  try {
    const python = await findPython();
    const tests = ["-W", "ignore", "-m", "unittest", "discover", "-s", "tools/train/tests", "-t", "tools/train"];
    const env = {
      ...process.env,
      HEDGE_DATA: await findData(temporary),
      PYTHONPATH: "tools/train",
      PYTHONDONTWRITEBYTECODE: "1",
    };
    const { stdout, stderr } = await run(python, tests, { env }).catch((error) => {
      throw new Error(`${error.stdout}\n${error.stderr}`);
    });
    expect(stderr).toMatch(/Ran [1-9]\d* tests/);
    expect(stderr).toMatch(/\nOK\n$/);
    process.stdout.write(stdout);
  } finally {
    await rm(temporary, { recursive: true });
  }
});
