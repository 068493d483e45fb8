import { describe, expect, it } from "vitest";
import { checkName, deviceOf, isName, offloadTopic } from "./topics.ts";

describe("topics", () => {
  it("lead back to the device", () => {
    expect(deviceOf(offloadTopic("porch-1"))).toBe("porch-1");
    for (const topic of [
      "hedge/v1/a/result",
      "hedge/v2/a/offload",
      "x/hedge/v1/a/offload",
      "hedge/v1/a/b/offload",
      "",
    ]) {
      expect(deviceOf(topic)).toBeUndefined();
    }
    expect(deviceOf("hedge/v1/-a/offload")).toBeUndefined();
    expect(deviceOf("hedge/v1/ä/offload")).toBeUndefined();
  });

  it("take only names that every broker takes as client ids and that mean nothing in topics", () => {
    for (const good of ["a", "A-1_b", "x".repeat(23)]) expect(isName(good)).toBe(true);
    for (const bad of ["", "a/b", "+", "#", "$share", "a b", "-a", "x".repeat(24), "a\n"])
      expect(isName(bad)).toBe(false);
    expect(() => checkName("device", "a/b")).toThrow('"a/b" cannot name a device');
  });
});
