/** The table of rights, kept by the embedded broker itself: who a client is, its certificate says. */
import type { TLSSocket } from "node:tls";
import type { AedesOptions, Client } from "aedes";
import { isGranted, type Rights, type RoleNames, rightsOf } from "../acl/rights.ts";
import { isName } from "../wire/topics.ts";

/** MQTT-3.2.2.3: identifier rejected. */
const IDENTIFIER_REJECTED = 2;

/** Asks each client for the name in its certificate as its client id, so that nobody takes over another's session. */
export function guardOf(
  names: RoleNames,
): Required<Pick<AedesOptions, "authenticate" | "authorizePublish" | "authorizeSubscribe">> {
  const known = new Map<string, Rights>();
  const rights = (name: string): Rights => {
    const found = known.get(name) ?? rightsOf(name, names);
    // Those who have a certificate are as many as there are devices.
    known.set(name, found);
    return found;
  };
  return {
    authenticate(client, _user, _password, done) {
      const name = commonName(client);
      if (name !== undefined && isName(name) && name === client.id) return done(null, true);
      const error = new Error("the client id is not the name in the certificate");
      done(Object.assign(error, { returnCode: IDENTIFIER_REJECTED }), false);
    },
    authorizePublish(client, packet, done) {
      // A last will is said for who is gone: after a restart of the broker it is all that is left of him.
      const name = client?.id ?? (packet as { clientId?: string }).clientId ?? "";
      const isAllowed = isName(name) && isGranted(rights(name).writes, packet.topic);
      done(isAllowed ? null : new Error(`${name} may not publish to ${packet.topic}`));
    },
    authorizeSubscribe(client, subscription, done) {
      // Without a subscription the answer to it says that it failed.
      done(null, isGranted(rights(client.id).reads, subscription.topic) ? subscription : null);
    },
  };
}

function commonName(client: Client): string | undefined {
  const { CN } = (client.conn as TLSSocket).getPeerCertificate().subject;
  // Of several names none is the name.
  return typeof CN === "string" ? CN : undefined;
}
