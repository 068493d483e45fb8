/** What a device's certificate can do at a mosquitto that hedge acl set up: its own six things, and nothing else. */
import { expect, it } from "vitest";
import { runAclAttacks } from "../../src/explore/cloud-bench/acl-attack.ts";

const silent = () => undefined;

it("lets a device do nothing that is another's, and everybody what is his", async () => {
  const { attacks, allowed, broken } = await runAclAttacks(silent);
  expect(attacks.filter(({ effects }) => effects.length > 0)).toEqual([]);
  expect([allowed, broken]).toEqual([0, []]);
  expect(attacks.length).toBeGreaterThan(40);
});

it("would show what is allowed: without the list and the rule for names nearly everything is", async () => {
  const { attacks, allowed, broken } = await runAclAttacks(silent, false);
  expect(broken).toEqual([]);
  // What TLS alone refuses: no certificate, a stranger's, an expired one; and what is too large.
  expect(allowed).toBeGreaterThan(attacks.length / 2);
});
