/**
 * Who may say and hear what at the broker: one table, from which access lists for other brokers are written and which the embedded broker
 * keeps to itself. Everybody has the rights of a device under his own name, the name in his certificate.
 */
import {
  answerTopic,
  checkName,
  commandTopic,
  DEAD_TOPIC,
  eventTopic,
  offloadTopic,
  ROOT,
  resultTopic,
  statusTopic,
} from "../wire/topics.ts";

export const ROLES = ["worker", "operator", "recorder"] as const;
export type Role = (typeof ROLES)[number];

/** Topics, with the wildcards of MQTT filters. */
export interface Rights {
  /** May publish to. */
  readonly writes: readonly string[];
  /** May receive. */
  readonly reads: readonly string[];
}

/** What a device may do. @param name its name, or what a broker puts the name of the client in place of */
export const deviceRights = (name: string): Rights => ({
  writes: [offloadTopic(name), answerTopic(name), eventTopic(name), statusTopic(name)],
  reads: [resultTopic(name), commandTopic(name)],
});

const ANY = "+";

/** What roles may do beyond that. */
export const ROLE_RIGHTS: Readonly<Record<Role, Rights>> = {
  /** Finishes samples. Its status is that of its own name. */
  worker: { writes: [resultTopic(ANY), DEAD_TOPIC], reads: [offloadTopic(ANY)] },
  /** Commands devices, updates among them, and sees everything. */
  operator: { writes: [commandTopic(ANY)], reads: [`${ROOT}/#`] },
  /** Records what happens; sees no samples, and says nothing. */
  recorder: { writes: [], reads: [answerTopic(ANY), eventTopic(ANY), statusTopic(ANY), DEAD_TOPIC] },
};

/** Names by role; a name may have several. */
export type RoleNames = Readonly<Record<Role, readonly string[]>>;

/** Throws a HedgeError (usage) for a name that no certificate should have. */
export function checkRoles(names: RoleNames): void {
  for (const role of ROLES) for (const name of names[role]) checkName("client", name);
}

/** All that a client of that name may do. */
export function rightsOf(name: string, names: RoleNames): Rights {
  const all = [
    deviceRights(name),
    ...ROLES.filter((role) => names[role].includes(name)).map((role) => ROLE_RIGHTS[role]),
  ];
  return { writes: all.flatMap(({ writes }) => writes), reads: all.flatMap(({ reads }) => reads) };
}

/** Whether every topic that `filter` (or topic) matches is matched by one of the granted filters. */
export function isGranted(granted: readonly string[], filter: string): boolean {
  const asked = filter.split("/");
  return granted.some((text) => covers(text.split("/"), asked));
}

function covers(granted: readonly string[], asked: readonly string[]): boolean {
  for (const [i, level] of granted.entries()) {
    if (level === "#") return true;
    const other = asked[i];
    if (other === undefined || other === "#" || (level !== ANY && level !== other)) return false;
  }
  return granted.length === asked.length;
}
