/**
 * Prints the figures of the worker and of fleets: node tools/bench/cloud/main.js MODEL  (`make bench-cloud`)
 * DURATION in the environment multiplies every duration; below 1 there are no fleets. Their picture goes to docs/fleet-scale.svg.
 */
import { writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { EXIT_CODES } from "../../../dist/errors.js";
import { benchCloud } from "../../../dist/explore/cloud-bench/bench.js";
import { runBench } from "../run-bench.js";

const [model] = process.argv.slice(2);
const scale = Number(process.env.DURATION ?? 1);
if (!model || !(scale > 0)) {
  console.error("usage: [DURATION=FACTOR] node tools/bench/cloud/main.js MODEL");
  process.exit(EXIT_CODES.usage);
}
const root = (path) => fileURLToPath(new URL(`../../../${path}`, import.meta.url));
await runBench(({ print, report }) =>
  benchCloud({
    model: resolve(model),
    images: root("models/cifar10-test-500"),
    hedge: root("dist/cli/main.js"),
    scale,
    print,
    picture: (svg) => writeFile(root("docs/fleet-scale.svg"), svg),
    report,
  }),
);
