/** What a device's certificate can do in the wrong hands: foreign actions, one by one, at a mosquitto that hedge acl set up. */
import { FRAME_LIMITS } from "../../wire/fields.ts";
import {
  answerTopic,
  commandTopic,
  DEAD_TOPIC,
  eventTopic,
  OFFLOAD_FILTER,
  offloadTopic,
  ROOT,
  resultTopic,
  statusTopic,
} from "../../wire/topics.ts";
import type { Certificate } from "../certificates.ts";
import type { Report } from "../run-edge.ts";
import { AclScene, CELLAR, type Party, PORCH, type Version, WORKER } from "./acl-scene.ts";

export interface AclAttack {
  readonly name: string;
  /** What somebody heard, lost or suffered by it; empty when it came to nothing. */
  readonly effects: readonly string[];
}

export interface AclRun {
  /** With both versions of MQTT. */
  readonly attacks: readonly AclAttack[];
  /** Attacks that had an effect. */
  readonly allowed: number;
  /** A device's own rights that did not hold, and what else went wrong while nobody attacked. */
  readonly broken: readonly string[];
}

/** Filters for what is none of the attacker's business. */
const LISTENS: readonly string[] = [
  "#",
  "+/+/+/+",
  `${ROOT}/#`,
  OFFLOAD_FILTER,
  resultTopic("+"),
  offloadTopic(PORCH),
  resultTopic(PORCH),
  commandTopic(PORCH),
  answerTopic(PORCH),
  statusTopic(PORCH),
  DEAD_TOPIC,
  "$SYS/#",
  "$SYS/broker/version",
  `$share/workers/${OFFLOAD_FILTER}`,
  `$share/strangers/${resultTopic(PORCH)}`,
  "$share/strangers/#",
];

/** Topics at which the attacker has nothing to say: [what it amounts to, topic, retained]. */
const SPEAKS: readonly (readonly [name: string, topic: string, retain?: boolean])[] = [
  ["offloads as another device", offloadTopic(PORCH)],
  ["answers as another device", answerTopic(PORCH)],
  ["reports an event of another device", eventTopic(PORCH)],
  ["calls another device offline", statusTopic(PORCH), true],
  ["forges a result for another device", resultTopic(PORCH)],
  ["forges a result for itself", resultTopic(CELLAR)],
  ["commands another device", commandTopic(PORCH)],
  ["leaves a command for another device", commandTopic(PORCH), true],
  ["commands itself", commandTopic(CELLAR)],
  ["forges a dead letter", DEAD_TOPIC],
  ["calls a worker offline", statusTopic(WORKER), true],
  ["speaks below its own topics", `${offloadTopic(CELLAR)}/more`],
  ["speaks beside its own topics", `${ROOT}/${CELLAR}`],
  ["speaks elsewhere", "elsewhere"],
  ["speaks for the broker", "$SYS/broker/version", true],
];

interface Attempt {
  readonly scene: AclScene;
  readonly own: Certificate;
  readonly version: Version;
}

interface AttackKind {
  readonly name: string;
  /** Returns what it came to, beyond what the day shows that follows. */
  readonly run: (attempt: Attempt) => Promise<string[]>;
}

/** Whoever got in although nobody should: what he hears and says. */
async function useConnection(scene: AclScene, intruder: Party): Promise<string[]> {
  await intruder.client.subscribeAsync("#", { qos: 1 }).catch(() => undefined);
  return [`${intruder.name} got in`, ...(await scene.day(intruder))];
}

const listens = (filter: string): AttackKind => ({
  name: `listens to ${filter}`,
  async run({ scene, own, version }) {
    const attacker = await scene.connect(own, CELLAR, { protocolVersion: version });
    await attacker.client.subscribeAsync([filter, resultTopic(CELLAR)], { qos: 1 }).catch(() => undefined);
    const effects = await scene.day(attacker);
    await attacker.end();
    return effects;
  },
});

const speaks = ([name, topic, retain = false]: (typeof SPEAKS)[number]): AttackKind => ({
  name,
  async run({ scene, own, version }) {
    const attacker = await scene.connect(own, CELLAR, { protocolVersion: version });
    const [text, proof] = [scene.text(), scene.text()];
    await attacker.say(topic, text, retain);
    // What it may say, it says behind that: once this is heard, the other has been decided.
    await attacker.say(eventTopic(CELLAR), proof);
    await scene.settle();
    const effects = [];
    if (!scene.letThrough(proof)) effects.push("its own event did not come through");
    if (scene.letThrough(text)) effects.push(`somebody heard it on ${topic}`);
    await attacker.end();
    return effects;
  },
});

/** Connecting as somebody that it is not. */
const pretends: readonly AttackKind[] = [
  ...[PORCH, WORKER].map((name) => ({
    name: `connects as ${name}, by its client id`,
    async run({ scene, own, version }: Attempt) {
      const attacker = await scene.connect(own, name, { protocolVersion: version });
      await attacker.client.subscribeAsync([resultTopic(name), commandTopic(name)], { qos: 1 }).catch(() => undefined);
      const text = scene.text();
      await attacker.say(statusTopic(name), text);
      const effects = await scene.day();
      if (scene.letThrough(text)) effects.push(`it spoke as ${name}`);
      if (attacker.heard.length > 0) effects.push(`it heard what is ${name}'s`);
      await attacker.end();
      return effects;
    },
  })),
  ...[PORCH, WORKER].map((username) => ({
    name: `connects as ${username}, by a user name`,
    async run({ scene, own, version }: Attempt) {
      const attacker = await scene.connect(own, CELLAR, { protocolVersion: version, username, password: "x" });
      const text = scene.text();
      await attacker.say(statusTopic(username), text);
      const effects = await scene.day();
      if (scene.letThrough(text)) effects.push(`it spoke as ${username}`);
      await attacker.end();
      return effects;
    },
  })),
  {
    name: "leaves a last will on another device's topic",
    async run({ scene, own, version }) {
      const text = scene.text();
      const will = { topic: statusTopic(PORCH), payload: Buffer.from(text), qos: 1, retain: true } as const;
      const attacker = await scene.connect(own, CELLAR, { protocolVersion: version, will }).catch(() => undefined);
      if (attacker !== undefined) await scene.cutOff(attacker, own);
      return scene.letThrough(text) ? ["its will was done"] : [];
    },
  },
  {
    name: "lets a session listen while it is away",
    async run({ scene, own, version }) {
      const properties = version === 5 ? { properties: { sessionExpiryInterval: 300 } } : {};
      const options = { protocolVersion: version, clean: false, ...properties };
      const before = await scene.connect(own, CELLAR, options);
      await before.client.subscribeAsync(["#", resultTopic(PORCH)], { qos: 1 }).catch(() => undefined);
      await before.end();
      const effects = await scene.day();
      const after = await scene.connect(own, CELLAR, options);
      await after.client.subscribeAsync(resultTopic(CELLAR), { qos: 1 });
      await scene.settle(after);
      const foreign = after.heard.find(({ topic }) => topic !== resultTopic(CELLAR));
      if (foreign) effects.push(`${CELLAR} heard ${foreign.topic}`);
      await after.end();
      // The session ends with a clean one.
      await (await scene.connect(own, CELLAR)).end();
      return effects;
    },
  },
  {
    name: "sends a packet that is too large",
    async run({ scene, own, version }) {
      const attacker = await scene.connect(own, CELLAR, { protocolVersion: version });
      const text = scene.text().padEnd(FRAME_LIMITS.offload * 2, ".");
      // No acknowledgement comes when the broker ends the connection.
      const gone = new Promise<void>((resolve) => attacker.client.once("close", () => resolve()));
      await Promise.race([attacker.say(offloadTopic(CELLAR), text), gone]);
      await scene.settle();
      await attacker.end();
      return scene.letThrough(text) ? ["it came through"] : [];
    },
  },
  ...(
    [
      ["without a certificate", async () => undefined],
      ["with a certificate of another authority", (scene) => scene.certificate(PORCH, { foreign: true })],
      ["with a certificate that has expired", (scene) => scene.certificate(PORCH, { days: -1 })],
    ] satisfies [string, (scene: AclScene) => Promise<Certificate | undefined>][]
  ).map(([how, make]) => ({
    name: `connects ${how}`,
    async run({ scene, version }: Attempt) {
      const attacker = await scene
        .connect(await make(scene), "nobody", { protocolVersion: version })
        .catch(() => undefined);
      if (attacker === undefined) return [];
      const effects = await useConnection(scene, attacker);
      await attacker.end();
      return effects;
    },
  })),
  ...["\\+", "#"].map((name) => ({
    // An authority should not sign that; were it to, the name must not match others' topics.
    name: `has a certificate for ${name.slice(-1)}`,
    async run({ scene, version }: Attempt) {
      const wild = await scene.certificate(name);
      const attacker = await scene.connect(wild, CELLAR, { protocolVersion: version }).catch(() => undefined);
      if (attacker === undefined) return [];
      const filters = [resultTopic("+"), commandTopic("+"), "#"];
      await attacker.client.subscribeAsync(filters, { qos: 1 }).catch(() => undefined);
      const text = scene.text();
      await attacker.say(statusTopic(PORCH), text);
      const effects = await scene.day();
      if (attacker.heard.length > 0) effects.push(`it heard ${attacker.heard[0]?.topic}`);
      if (scene.letThrough(text)) effects.push(`it spoke as ${PORCH}`);
      await attacker.end();
      return effects;
    },
  })),
];

const KINDS: readonly AttackKind[] = [...LISTENS.map(listens), ...SPEAKS.map(speaks), ...pretends];

/** A device's six rights: it is heard on its own topics, and hears what is said to it. Returns those that do not hold. */
async function ownRights(scene: AclScene, own: Certificate): Promise<string[]> {
  const device = await scene.connect(own, CELLAR);
  await device.client.subscribeAsync([resultTopic(CELLAR), commandTopic(CELLAR)], { qos: 1 });
  const broken = [];
  for (const topic of [offloadTopic, answerTopic, eventTopic, statusTopic]) {
    const text = scene.text();
    await device.say(topic(CELLAR), text);
    await scene.settle();
    if (!scene.letThrough(text)) broken.push(`${CELLAR} may not say ${topic(CELLAR)}`);
  }
  for (const [topic, text] of await scene.address(CELLAR)) {
    await scene.settle(device);
    if (!device.hears(text)) broken.push(`${CELLAR} may not hear ${topic}`);
  }
  await device.end();
  return broken;
}

/**
 * Every attack with MQTT 5 and with 3.1.1, and after each a round of what everybody else does.
 * @param guarded as of `AclScene.open`
 * @throws HedgeError (usage) without mosquitto
 */
export async function runAclAttacks(report: Report, guarded = true): Promise<AclRun> {
  const scene = await AclScene.open(guarded);
  try {
    const own = await scene.certificate(CELLAR);
    await scene.gather();
    const broken = [...(await scene.day()), ...(await ownRights(scene, own))];
    const attacks: AclAttack[] = [];
    for (const version of [5, 4] as const) {
      for (const { name, run } of KINDS) {
        report("foreign action", attacks.length + 1, 2 * KINDS.length);
        const effects = await run({ scene, own, version });
        await scene.gather();
        const after = await scene.day();
        attacks.push({ name: `MQTT ${version === 5 ? "5" : "3.1.1"}: ${name}`, effects: [...effects, ...after] });
      }
    }
    const left = (await scene.retained()).filter((topic) => !topic.startsWith("$SYS/"));
    if (left.length > 0) attacks.push({ name: "leaves messages behind", effects: left });
    return { attacks, allowed: attacks.filter(({ effects }) => effects.length > 0).length, broken };
  } finally {
    await scene.close();
  }
}
