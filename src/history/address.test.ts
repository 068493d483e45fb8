import { resolve } from "node:path";
import { describe, expect, it } from "vitest";
import type { HedgeError } from "../errors.ts";
import { parseAddress } from "./address.ts";
import { openHistory } from "./history.ts";

describe("a history's address", () => {
  it("is a folder, or that of a database, shown without its secrets", () => {
    expect(parseAddress("out/history")).toEqual({ folder: resolve("out/history"), shown: "out/history" });
    const url = "postgresql://me:s3cret%2F@db.example:5433/hedge?sslmode=verify-full&sslpassword=s3cret";
    expect(parseAddress(url)).toEqual({ url, shown: "postgresql://me@db.example:5433/hedge" });
    expect(parseAddress("postgres:///hedge?host=/run/postgresql").shown).toBe("postgres:///hedge");
  });

  it.each([
    "",
    "  ",
    "mysql://me:s3cret@host/db",
    "postgres://me:s3cret@host:port/db",
    "postgres://me:s3cret%@host/db",
  ])("is not %j, and no secret stands in the refusal", (text) => {
    try {
      parseAddress(text);
      expect.unreachable();
    } catch (error) {
      expect(error).toMatchObject({ kind: "usage" });
      expect((error as HedgeError).message).not.toContain("s3cret");
    }
  });

  it("of a server goes without a limit of bytes", () => {
    const open = () => openHistory({ url: "postgres://host/db", retention: { bytes: 1 }, log: undefined as never });
    expect(open).toThrow("Only a folder's history");
  });
});
