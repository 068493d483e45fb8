/**
 * Prints the figures of a model, one line each: node tools/bench/bench.js MODEL OUT  (`make bench`)
 * Evaluates all test images where `hedge data cifar10` has put them, else the 500 that are shipped.
 */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { EXIT_CODES } from "../../dist/errors.js";
import { bench } from "../../dist/explore/bench.js";
import { runBench } from "./run-bench.js";

const [model, out] = process.argv.slice(2).map((path) => resolve(path));
if (!model || !out) {
  console.error("usage: node tools/bench/bench.js MODEL OUT");
  process.exit(EXIT_CODES.usage);
}

const root = (path) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const ALL = "data/cifar10/test.bin";
const SHIPPED = "models/cifar10-test-500";
// What the counts of instructions and the times depend on besides the model.
const [compiler] = execFileSync("cc", ["--version"], { encoding: "utf8" }).split("\n");
console.log(`${process.platform} ${process.arch}, node ${process.version}, ${compiler}`);
const evaluated = existsSync(root(ALL)) ? ALL : SHIPPED;
if (evaluated === SHIPPED) console.log(`${ALL} is not there (hedge data cifar10): evaluating the shipped images`);

process.chdir(root(""));
await runBench(({ print, report }) =>
  bench({
    model,
    out,
    hedge: root("dist/cli/main.js"),
    evaluated,
    offloaded: SHIPPED,
    offloadCount: 500,
    referenceCount: 20,
    print,
    report,
  }),
);
