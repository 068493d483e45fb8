import { spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";

const TOOL = join(import.meta.dirname, "update-page.js");
const PAGE = "# Speed\n<!-- bench -->\nold\n<!-- /bench -->\nThe end.\n";
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "hedge-page-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function update(output: string, page: string, ...mark: string[]) {
  const files = [join(folder, "bench.txt"), join(folder, "page.md")] as const;
  await writeFile(files[0], output);
  await writeFile(files[1], page);
  const { status, stderr } = spawnSync(process.execPath, [TOOL, ...files, ...mark], { encoding: "utf8" });
  return { status, stderr, page: await readFile(files[1], "utf8") };
}

it("replaces what stands between the marks, without figures that the table has", async () => {
  const output =
    "a 3 per MAC $&\nfigure wasm3.ir_per_mac 2 x\nfigure wasm3.ir_per_mac.a 3 x\nfigure eval.coverage 4 %\n";
  const once = await update(output, PAGE);
  expect(once).toMatchObject({ status: 0, stderr: "" });
  expect(once.page).toBe(
    "# Speed\n<!-- bench -->\n```text\na 3 per MAC $&\nfigure wasm3.ir_per_mac 2 x\nfigure eval.coverage 4 %\n```\n<!-- /bench -->\nThe end.\n",
  );
  expect((await update(output, once.page)).page).toBe(once.page);
});

it("leaves the page alone when the bench did not end, or the page has no place for it", async () => {
  expect(await update("figure module.bytes 4 B\n", PAGE)).toMatchObject({ status: 1, page: PAGE });
  const bare = await update("figure eval.coverage 4 %\n", "# Speed\n");
  expect(bare).toMatchObject({ status: 1, page: "# Speed\n" });
  expect(bare.stderr).toContain("lacks the lines <!-- bench -->");
});

it("each bench has marks of its own", async () => {
  const page = `${PAGE}<!-- codegen -->\n<!-- /codegen -->\n`;
  const { page: updated } = await update("figure arm.x 2 x\nfigure estimate.x 1 %\n", page, "codegen");
  expect(updated).toBe(`${PAGE}<!-- codegen -->\n\`\`\`text\nfigure estimate.x 1 %\n\`\`\`\n<!-- /codegen -->\n`);
  expect(await update("figure eval.coverage 4 %\n", page, "codegen")).toMatchObject({ status: 1, page });
  expect(await update("figure eval.coverage 4 %\n", page, "other")).toMatchObject({ status: 2, page });
});
