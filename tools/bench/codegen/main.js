/** Prints the figures of the code generator: node tools/bench/codegen/main.js  (`make bench-codegen`) */
import { codegenFigures } from "../../../dist/explore/codegen/figures.js";
import { runBench } from "../run-bench.js";

await runBench(({ print, report }) => codegenFigures({ print, progress: (what) => report(what, 0, 0) }));
