/** Prints the figures of the firmware: node tools/bench/firmware/main.js MODEL  (`make bench-firmware`) */
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { EXIT_CODES } from "../../../dist/errors.js";
import { firmwareFigures } from "../../../dist/explore/firmware/figures.js";
import { runBench } from "../run-bench.js";

const [model] = process.argv.slice(2).map((path) => resolve(path));
if (!model) {
  console.error("usage: node tools/bench/firmware/main.js MODEL");
  process.exit(EXIT_CODES.usage);
}
const root = (path) => fileURLToPath(new URL(`../../../${path}`, import.meta.url));
await runBench(({ print, report }) =>
  firmwareFigures({
    model,
    images: root("models/cifar10-test-500"),
    count: 100,
    hedge: root("dist/cli/main.js"),
    print,
    report,
  }),
);
