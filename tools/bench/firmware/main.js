/** Prints the figures of the firmware: node tools/bench/firmware/main.js MODEL  (`make bench-firmware`) */
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { Progress } from "../../../dist/cli/progress.js";
import { EXIT_CODES, HedgeError } from "../../../dist/errors.js";
import { firmwareFigures } from "../../../dist/explore/firmware/figures.js";

const [model] = process.argv.slice(2).map((path) => resolve(path));
if (!model) {
  console.error("usage: node tools/bench/firmware/main.js MODEL");
  process.exit(EXIT_CODES.usage);
}
const root = (path) => fileURLToPath(new URL(`../../../${path}`, import.meta.url));
const progress = new Progress({ quiet: false, json: false });
try {
  const failed = await firmwareFigures({
    model,
    images: root("models/cifar10-test-500"),
    count: 100,
    hedge: root("dist/cli/main.js"),
    print: (line) => {
      progress.end();
      console.log(line);
    },
    report: (what, done, total) => progress.update(what, done, total),
  });
  progress.end();
  for (const what of failed) console.error(`failed: ${what}`);
  if (failed.length > 0) process.exitCode = EXIT_CODES.check;
} catch (error) {
  progress.end();
  if (!(error instanceof HedgeError)) throw error;
  console.error(`${error.message}\n${error.remedy}`);
  process.exitCode = error.exitCode;
}
