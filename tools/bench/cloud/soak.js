/**
 * Everything that may happen to workers, for a long time: node tools/bench/cloud/soak.js MODEL [SCENE...]  (`make soak`)
 * DURATION in the environment multiplies every duration: 1 by default, which takes about half an hour.
 */
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { EXIT_CODES } from "../../../dist/errors.js";
import { soak } from "../../../dist/explore/cloud-bench/soak.js";
import { runBench } from "../run-bench.js";

const [model, ...scenes] = process.argv.slice(2);
const scale = Number(process.env.DURATION ?? 1);
if (!model || !(scale > 0)) {
  console.error("usage: [DURATION=FACTOR] node tools/bench/cloud/soak.js MODEL [SCENE...]");
  process.exit(EXIT_CODES.usage);
}
const root = (path) => fileURLToPath(new URL(`../../../${path}`, import.meta.url));
await runBench(({ print, report }) =>
  soak({
    model: resolve(model),
    images: root("models/cifar10-test-500"),
    hedge: root("dist/cli/main.js"),
    scale,
    scenes,
    print,
    report,
  }),
);
