/** Writes the pages of docs/ that come from tables in the source, and such tables in others. Needs `make build`. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { withBlocks } from "../../dist/explore/cloud-page.js";
import { PAGES } from "../../dist/explore/pages.js";

const at = (path) => join(import.meta.dirname, "../..", path);
for (const [path, text] of Object.entries(PAGES)) writeFileSync(at(path), text());
const cloud = at("docs/cloud.md");
writeFileSync(cloud, withBlocks(readFileSync(cloud, "utf8")));
