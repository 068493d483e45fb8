/** The fleets in the repository, and those that pages show, are files that `hedge fleet` takes. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { fleetSchema, readFleet } from "../../src/fleet/spec.ts";
import { fleetTemplate } from "../../src/fleet/template.ts";
import { checkYaml } from "../../src/yaml.ts";

const FLEETS = "models/fleets";

describe.each(readdirSync(FLEETS))("%s", (name) => {
  it("is a fleet of the shipped model", async () => {
    const { groups, data } = await readFleet(join(FLEETS, name));
    expect(data).toBe("../cifar10-test-500");
    expect(new Set(groups.map(({ bundle }) => bundle))).toEqual(new Set(["../../out/resnet20-12e6c-2bit"]));
  });

  it("is in the documentation", () => {
    expect(readFileSync("docs/fleet.md", "utf8")).toContain(`../models/fleets/${name}`);
  });
});

const shown = [...readFileSync("docs/fleet.md", "utf8").matchAll(/```yaml\n(.*?)```/gs)].map(([, text]) => text!);

it.each(shown.map((text, i) => [i + 1, text] as const))("the %i. file in docs/fleet.md is right", (_, text) => {
  expect(checkYaml(text, "docs/fleet.md", fleetSchema, "fleet").groups.length).toBeGreaterThan(0);
});

it("paths go into the template as they are, whatever they look like", () => {
  const paths = { bundle: 'a "b": #c', data: "d\\e\n- f" };
  const fleet = checkYaml(fleetTemplate(paths), "fleet.yaml", fleetSchema, "fleet");
  expect([fleet.data, ...fleet.groups.map(({ bundle }) => bundle)]).toEqual([paths.data, paths.bundle, paths.bundle]);
});
