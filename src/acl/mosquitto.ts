/** An access list and a listener for mosquitto. */
import { MAX_PACKET_BYTES } from "../wire/connection.ts";
import { deviceRights, ROLE_RIGHTS, ROLES, type RoleNames } from "./rights.ts";

/** The name of the client, for mosquitto to fill in. */
const OWN = "%u";

/** The file that `acl_file` names. */
export function mosquittoAcl(names: RoleNames): string {
  const { writes, reads } = deviceRights(OWN);
  const lines = [
    "# Who may say and hear what. Written by hedge acl: write it again instead of changing it.",
    "",
    "# Everybody under his own name: devices, and the status of workers.",
    ...writes.map((topic) => `pattern write ${topic}`),
    ...reads.map((topic) => `pattern read ${topic}`),
  ];
  for (const role of ROLES) {
    for (const name of names[role]) {
      const { writes, reads } = ROLE_RIGHTS[role];
      lines.push("", `# ${role}`, `user ${name}`);
      lines.push(...writes.map((topic) => `topic write ${topic}`), ...reads.map((topic) => `topic read ${topic}`));
    }
  }
  return `${lines.join("\n")}\n`;
}

export interface ListenerFiles {
  readonly acl: string;
  /** PEM files as mosquitto will find them: the authority of all clients, the broker's certificate and its key. */
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

export interface Listener {
  readonly port: number;
  /** Address to listen on; all where it is undefined. */
  readonly host?: string | undefined;
  readonly files: ListenerFiles;
}

/** Each setting with what it is there for; the broker's own defaults are left alone. */
export function mosquittoSettings({ port, host, files }: Listener): string {
  const settings: readonly (readonly [why: string, ...lines: string[]])[] = [
    [
      "Settings belong to this listener: another one, for this machine alone, may have others.",
      "per_listener_settings true",
    ],
    ["", `listener ${port}${host === undefined ? "" : ` ${host}`}`],
    ["TLS; whoever connects shows a certificate of this authority.", `cafile ${files.ca}`],
    ["", `certfile ${files.cert}`, `keyfile ${files.key}`, "tls_version tlsv1.2", "require_certificate true"],
    [
      "A client is who its certificate says (CN), whatever it calls itself: nobody takes over another's connection.",
      "use_identity_as_username true",
      "use_username_as_clientid true",
      "allow_anonymous false",
    ],
    ["", `acl_file ${files.acl}`],
    ["The largest frame, its topic and its headers.", `max_packet_size ${MAX_PACKET_BYTES}`],
    ["Devices offer again what is lost, so that little has to wait here: messages and bytes of one client.", ...QUEUES],
    ["Otherwise a message may wait 40 ms for the acknowledgement of the one before.", "set_tcp_nodelay true"],
  ];
  const text = settings.map(([why, ...lines]) => [...(why === "" ? [] : ["", `# ${why}`]), ...lines].join("\n"));
  return `# For mosquitto 2, in conf.d. Written by hedge acl.\n${text.join("\n")}\n`;
}

const QUEUES = ["max_inflight_messages 100", "max_queued_messages 2000", `max_queued_bytes ${64 << 20}`];
