/**
 * Puts what a bench printed into a page, between the lines <!-- MARK --> and <!-- /MARK -->:
 * node tools/bench/update-page.js OUTPUT PAGE [MARK]
 */
import { readFileSync, writeFileSync } from "node:fs";

/** By mark: figures that are only there when the bench ended well. */
const LAST_FIGURES = { bench: "eval.", codegen: "compile." };

const [output, page, mark = "bench"] = process.argv.slice(2);
if (!output || !page || !Object.hasOwn(LAST_FIGURES, mark)) {
  console.error(`usage: node tools/bench/update-page.js OUTPUT PAGE [${Object.keys(LAST_FIGURES).join("|")}]`);
  process.exit(2);
}
const lines = readFileSync(output, "utf8")
  .trim()
  .split("\n")
  // The table of layers says the same.
  .filter((line) => !line.startsWith("figure wasm3.ir_per_mac."));
if (!lines.some((line) => line.startsWith(`figure ${LAST_FIGURES[mark]}`))) {
  console.error(`${output} lacks the last figures: the bench did not end well.`);
  process.exit(1);
}
const text = readFileSync(page, "utf8");
const block = new RegExp(`(<!-- ${mark} -->\n).*?(<!-- /${mark} -->)`, "s");
if (!block.test(text)) {
  console.error(`${page} lacks the lines <!-- ${mark} --> and <!-- /${mark} -->.`);
  process.exit(1);
}
writeFileSync(
  page,
  text.replace(block, (_, start, end) => `${start}\`\`\`text\n${lines.join("\n")}\n\`\`\`\n${end}`),
);
