/** Prints the figures of the code generator: node tools/bench/codegen/main.js  (`make bench-codegen`) */
import { HedgeError } from "../../../dist/errors.js";
import { codegenFigures } from "../../../dist/explore/codegen/figures.js";

try {
  await codegenFigures({ print: (line) => console.log(line), progress: (what) => console.error(what) });
} catch (error) {
  if (!(error instanceof HedgeError)) throw error;
  console.error(`${error.message}\n${error.remedy}`);
  process.exitCode = error.exitCode;
}
