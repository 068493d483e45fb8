/** The same rights for EMQX 5, written after its documentation and not tried on it. */
import { MAX_PACKET_BYTES } from "../wire/connection.ts";
import type { Listener } from "./mosquitto.ts";
import { deviceRights, type Rights, ROLE_RIGHTS, ROLES, type RoleNames } from "./rights.ts";

/** The name of the client, for EMQX to fill in. */
const OWN = "$" + "{username}";

/** acl.conf: a rule a line, as Erlang terms. */
export function emqxAcl(names: RoleNames): string {
  const rule = (who: string, what: string, topics: readonly string[]): string[] =>
    topics.length === 0 ? [] : [`{allow, ${who}, ${what}, [${topics.map((topic) => `"${topic}"`).join(", ")}]}.`];
  const rules = (who: string, { writes, reads }: Rights) => [
    ...rule(who, "publish", writes),
    ...rule(who, "subscribe", reads),
  ];
  const lines = [
    "%% Who may say and hear what. Written by hedge acl, not tried on EMQX.",
    ...rules("all", deviceRights(OWN)),
    ...ROLES.flatMap((role) => names[role].flatMap((name) => rules(`{username, "${name}"}`, ROLE_RIGHTS[role]))),
    "{deny, all}.",
  ];
  return `${lines.join("\n")}\n`;
}

/** Settings for emqx.conf. */
export function emqxSettings({ port, host, files }: Listener): string {
  return `# For EMQX 5, in emqx.conf. Written by hedge acl, not tried on EMQX.
listeners.ssl.hedge {
  bind = "${host ?? "0.0.0.0"}:${port}"
  ssl_options {
    cacertfile = "${files.ca}"
    certfile = "${files.cert}"
    keyfile = "${files.key}"
    verify = verify_peer
    fail_if_no_peer_cert = true
  }
}
# A client is who its certificate says, whatever it calls itself.
mqtt.peer_cert_as_username = cn
mqtt.peer_cert_as_clientid = cn
mqtt.max_packet_size = ${MAX_PACKET_BYTES}B
authorization {
  no_match = deny
  deny_action = ignore
  sources = [{ type = file, enable = true, path = "${files.acl}" }]
}
`;
}
