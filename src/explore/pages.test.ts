import { readFile } from "node:fs/promises";
import { expect, it } from "vitest";
import { PAGES } from "./pages.ts";

it.each(Object.entries(PAGES))("%s is what the tables say (make docs writes it)", async (path, text) => {
  expect(await readFile(path, "utf8")).toBe(text());
});
