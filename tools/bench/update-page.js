/**
 * Puts what `make bench` printed into a page, between the lines <!-- bench --> and <!-- /bench -->:
 * node tools/bench/update-page.js OUTPUT PAGE
 */
import { readFileSync, writeFileSync } from "node:fs";

const [output, page] = process.argv.slice(2);
if (!output || !page) {
  console.error("usage: node tools/bench/update-page.js OUTPUT PAGE");
  process.exit(2);
}
const lines = readFileSync(output, "utf8")
  .trim()
  .split("\n")
  // The table of layers says the same.
  .filter((line) => !line.startsWith("figure wasm3.ir_per_mac."));
if (!lines.some((line) => line.startsWith("figure eval."))) {
  console.error(`${output} has no figures of an evaluation: the bench did not end well.`);
  process.exit(1);
}
const text = readFileSync(page, "utf8");
const block = /(<!-- bench -->\n).*?(<!-- \/bench -->)/s;
if (!block.test(text)) {
  console.error(`${page} lacks the lines <!-- bench --> and <!-- /bench -->.`);
  process.exit(1);
}
writeFileSync(
  page,
  text.replace(block, (_, start, end) => `${start}\`\`\`text\n${lines.join("\n")}\n\`\`\`\n${end}`),
);
