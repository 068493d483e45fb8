/**
 * Puts what a bench printed into a page, between the lines <!-- MARK --> and <!-- /MARK -->:
 * node tools/bench/update-page.js OUTPUT PAGE [MARK]
 */
import { readFileSync, writeFileSync } from "node:fs";

/** By mark: the figures that are only there when the bench ended well, and those that its table says as well. */
const BENCHES = {
  bench: { last: /^figure eval\./, tabled: /^figure wasm3\.ir_per_mac\./ },
  codegen: { last: /^figure estimate\./, tabled: /^figure (arm|x86)\./ },
  firmware: { last: /^figure fw\.identical/ },
  cloud: { last: /^figure acl\.allowed/ },
  soak: { last: /^figure ingest\.exits/ },
};

const [output, page, mark = "bench"] = process.argv.slice(2);
if (!output || !page || !Object.hasOwn(BENCHES, mark)) {
  console.error(`usage: node tools/bench/update-page.js OUTPUT PAGE [${Object.keys(BENCHES).join("|")}]`);
  process.exit(2);
}
const lines = readFileSync(output, "utf8")
  .trim()
  .split("\n")
  .filter((line) => !BENCHES[mark].tabled?.test(line));
if (!lines.some((line) => BENCHES[mark].last.test(line))) {
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
