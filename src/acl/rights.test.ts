import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { commandTopic, offloadTopic, resultTopic, statusTopic } from "../wire/topics.ts";
import { emqxAcl } from "./emqx.ts";
import { mosquittoAcl } from "./mosquitto.ts";
import { checkRoles, isGranted, rightsOf } from "./rights.ts";

const NAMES = { worker: ["w1"], operator: ["ada"], recorder: ["archive"] };

/** Every topic of at most four levels over an alphabet of two. */
const TOPICS = ["a", "b"].flatMap(withLonger);

function withLonger(topic: string): string[] {
  return topic.length > 5 ? [topic] : [topic, ...withLonger(`${topic}/a`), ...withLonger(`${topic}/b`)];
}

/** MQTT-4.7.1: what a filter matches, as a regular expression. */
function matches(filter: string, topic: string): boolean {
  const pattern = filter.replaceAll("+", "[^/]+").replace(/\/#$/, "(/.*)?").replace(/^#$/, ".*");
  return new RegExp(`^${pattern}$`).test(topic);
}

const LEVELS = fc.array(fc.constantFrom("a", "b", "+"), { minLength: 1, maxLength: 4 });
const FILTERS = fc.tuple(LEVELS, fc.boolean()).map(([levels, all]) => [...levels, ...(all ? ["#"] : [])].join("/"));

describe("rights", () => {
  it("never grant a filter that matches a topic beyond them", () => {
    fc.assert(
      fc.property(fc.array(FILTERS, { maxLength: 3 }), FILTERS, (granted, filter) => {
        fc.pre(isGranted(granted, filter));
        for (const topic of TOPICS.filter((topic) => matches(filter, topic))) {
          expect(granted.some((text) => matches(text, topic))).toBe(true);
        }
      }),
    );
  });

  it("grant each topic that one of their filters matches", () => {
    fc.assert(
      fc.property(FILTERS, fc.constantFrom(...TOPICS), (granted, topic) => {
        expect(isGranted([granted], topic)).toBe(matches(granted, topic));
      }),
    );
  });

  it("are those of a device under one's own name, and those of one's roles", () => {
    const worker = rightsOf("w1", NAMES);
    expect(isGranted(worker.writes, resultTopic("any"))).toBe(true);
    expect(isGranted(worker.writes, statusTopic("w1"))).toBe(true);
    expect(isGranted(worker.writes, statusTopic("w2"))).toBe(false);
    expect(isGranted(worker.reads, offloadTopic("+"))).toBe(true);
    const device = rightsOf("porch", NAMES);
    expect(isGranted(device.writes, resultTopic("porch"))).toBe(false);
    expect(isGranted(device.reads, offloadTopic("+"))).toBe(false);
    expect(isGranted(rightsOf("ada", NAMES).writes, commandTopic("porch"))).toBe(true);
    expect(isGranted(rightsOf("archive", NAMES).reads, offloadTopic("porch"))).toBe(false);
  });

  it("go to nobody whose name could stand for others", () => {
    expect(() => checkRoles({ ...NAMES, worker: ["+"] })).toThrow('"+" cannot name a client.');
  });

  it("are written line by line, for mosquitto and for EMQX", () => {
    expect(mosquittoAcl(NAMES)).toMatchInlineSnapshot(`
      "# Who may say and hear what. Written by hedge acl: write it again instead of changing it.

      # Everybody under his own name: devices, and the status of workers.
      pattern write hedge/v1/%u/offload
      pattern write hedge/v1/%u/answer
      pattern write hedge/v1/%u/event
      pattern write hedge/v1/%u/status
      pattern read hedge/v1/%u/result
      pattern read hedge/v1/%u/command

      # worker
      user w1
      topic write hedge/v1/+/result
      topic write hedge/v1/dead
      topic read hedge/v1/+/offload

      # operator
      user ada
      topic write hedge/v1/+/command
      topic read hedge/v1/#

      # recorder
      user archive
      topic read hedge/v1/+/answer
      topic read hedge/v1/+/event
      topic read hedge/v1/+/status
      topic read hedge/v1/dead
      "
    `);
    expect(emqxAcl(NAMES)).toMatchInlineSnapshot(`
      "%% Who may say and hear what. Written by hedge acl, not tried on EMQX.
      {allow, all, publish, ["hedge/v1/\${username}/offload", "hedge/v1/\${username}/answer", "hedge/v1/\${username}/event", "hedge/v1/\${username}/status"]}.
      {allow, all, subscribe, ["hedge/v1/\${username}/result", "hedge/v1/\${username}/command"]}.
      {allow, {username, "w1"}, publish, ["hedge/v1/+/result", "hedge/v1/dead"]}.
      {allow, {username, "w1"}, subscribe, ["hedge/v1/+/offload"]}.
      {allow, {username, "ada"}, publish, ["hedge/v1/+/command"]}.
      {allow, {username, "ada"}, subscribe, ["hedge/v1/#"]}.
      {allow, {username, "archive"}, subscribe, ["hedge/v1/+/answer", "hedge/v1/+/event", "hedge/v1/+/status", "hedge/v1/dead"]}.
      {deny, all}.
      "
    `);
  });
});
