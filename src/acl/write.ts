/** What `hedge acl` leaves in a folder for a broker. */
import { randomBytes } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { readCapped, unwritable, writeNamed } from "../files.ts";
import { checkGroup } from "../wire/topics.ts";
import { emqxAcl, emqxSettings } from "./emqx.ts";
import { type ListenerFiles, mosquittoAcl, mosquittoSettings } from "./mosquitto.ts";
import { checkRoles, type RoleNames } from "./rights.ts";

export const ACL_BROKERS = ["mosquitto", "emqx"] as const;
export type AclBroker = (typeof ACL_BROKERS)[number];

export interface AclOptions {
  readonly folder: string;
  readonly names: RoleNames;
  readonly broker: AclBroker;
  readonly port: number;
  readonly host?: string | undefined;
  /** As the broker will find them. */
  readonly certificates: Omit<ListenerFiles, "acl">;
}

export interface WrittenAcl {
  readonly acl: string;
  readonly settings: string;
  readonly group: string;
}

const WRITERS = {
  mosquitto: { acl: mosquittoAcl, settings: mosquittoSettings },
  emqx: { acl: emqxAcl, settings: emqxSettings },
} as const;

/**
 * Writes hedge.acl, hedge.conf, and worker-group unless it is there: the name under which workers share the samples. mosquitto lets anybody join a group of
 * which he knows the name, and what falls to a stranger is lost; so the name is 128 random bits, in a file for its owner alone.
 * @returns the paths of the files
 * @throws HedgeError: usage (names), input (the folder)
 */
export async function writeAcl(options: AclOptions): Promise<WrittenAcl> {
  const { folder, names, broker, port, host, certificates } = options;
  checkRoles(names);
  const [acl, settings, group] = ["hedge.acl", "hedge.conf", "worker-group"].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  const write = WRITERS[broker];
  await mkdir(folder, { recursive: true }).catch((cause) => {
    throw unwritable(folder, cause);
  });
  await keepGroup(group);
  await writeNamed(acl, write.acl(names));
  await writeNamed(settings, write.settings({ port, host, files: { acl: resolve(acl), ...certificates } }));
  return { acl, settings, group };
}

/** Reads the name of a group of workers from its file. @throws HedgeError: input (the file), usage (what it holds) */
async function readGroup(path: string): Promise<string> {
  const group = (await readCapped(path, 1024, "Write one: hedge acl.")).toString().trim();
  checkGroup(group);
  return group;
}

/** Workers that run would not share any more if it changed. */
async function keepGroup(path: string): Promise<void> {
  try {
    await writeFile(path, `workers-${randomBytes(16).toString("hex")}\n`, { flag: "wx", mode: 0o600 });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "EEXIST") throw unwritable(path, cause);
    await readGroup(path);
  }
}
