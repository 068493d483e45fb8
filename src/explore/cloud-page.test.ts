import { readFile } from "node:fs/promises";
import { expect, it } from "vitest";
import { withBlocks } from "./cloud-page.ts";

it("docs/cloud.md has the keys of worker.yaml and the metrics as the source has them (make docs writes them)", async () => {
  const page = await readFile("docs/cloud.md", "utf8");
  expect(withBlocks(page)).toBe(page);
});
