/** Writes the pages of docs/ that come from tables in the source. Needs `make build`. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { PAGES } from "../../dist/explore/pages.js";

for (const [path, text] of Object.entries(PAGES)) writeFileSync(join(import.meta.dirname, "../..", path), text());
