import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { lockFolder } from "./folder-lock.ts";

describe("a folder that one process uses", () => {
  let folder: string;
  beforeEach(async () => {
    folder = join(await mkdtemp(join(tmpdir(), "hedge-lock-")), "made");
  });
  afterEach(() => rm(join(folder, ".."), { recursive: true, force: true }));

  it("is made, is refused to a second one with the first one's id, and is free afterwards", () => {
    const release = lockFolder(folder);
    expect(() => lockFolder(folder)).toThrow(`${folder} is in use by process ${process.pid}, since 20`);
    release();
    expect(readdirSync(folder)).toEqual([]);
    lockFolder(folder)();
  });

  it("is refused while another process that lives has it", () => {
    mkdirSync(folder);
    // The one that started this one, with its real start.
    const stat = execFileSync("cat", [`/proc/${process.ppid}/stat`], { encoding: "utf8" });
    const start = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
    writeFileSync(join(folder, `lock-${process.ppid}-${start}`), "");
    expect(() => lockFolder(folder)).toThrow(`in use by process ${process.ppid}`);
    expect(readdirSync(folder)).toEqual([`lock-${process.ppid}-${start}`]);
  });

  it("is taken from a process that is gone, and from one that only has the same id", () => {
    const gone = execFileSync("sh", ["-c", "echo $$"], { encoding: "utf8" }).trim();
    mkdirSync(folder);
    for (const lock of [`lock-${gone}-1`, `lock-${process.ppid}-1`]) writeFileSync(join(folder, lock), "");
    const release = lockFolder(folder);
    expect(readdirSync(folder)).toHaveLength(1);
    release();
  });

  it("is an error of input where it cannot be made", () => {
    writeFileSync(join(folder, "..", "file"), "");
    expect(() => lockFolder(join(folder, "..", "file", "folder"))).toThrow("cannot be written (ENOTDIR)");
  });
});
