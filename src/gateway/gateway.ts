/**
 * The gateway: devices without a network at the other ends of links, each at the broker under its own name, as if it had one. It keeps
 * nothing that a device could not lose: a device offers its samples until their result or their deadline.
 */
import { randomBytes } from "node:crypto";
import type { Logger } from "pino";
import { HedgeError } from "../errors.ts";
import { parseLine } from "../link/line.ts";
import { type BrokerAccess, certificateName } from "../wire/broker-access.ts";
import { openConnection } from "../wire/connection.ts";
import { LinkedDevice } from "./linked-device.ts";
import type { SessionCounts } from "./session.ts";

/** In a path of a certificate or a key: the name of the device whose it is, or `gateway` for the gateway's own. */
const DEVICE = "{device}";

/** Paths of certificate and key may hold `{device}`, for brokers that know each device by its own. */
export interface GatewayOptions extends BrokerAccess {
  /** Addresses of links, each with a device or none at the moment. */
  readonly links: readonly string[];
  readonly log: Logger;
}

export interface Gateway {
  /** Of all devices since the start. */
  counts(): SessionCounts;
  /** Says goodbye for each device, and closes the links. */
  stop(): Promise<void>;
}

/**
 * Resolves once the broker has answered; links are opened as they appear. Throws HedgeErrors: usage (an address that is none, or twice the
 * same), input (certificates), network (no broker answers within seconds).
 */
export async function startGateway({ links, log, ...access }: GatewayOptions): Promise<Gateway> {
  const twice = links.find((link, i) => links.indexOf(link) !== i);
  if (twice !== undefined) {
    throw new HedgeError("usage", `The link ${twice} is given twice.`, "Give each link once.");
  }
  for (const link of links) parseLine(link);
  await requireBroker(accessOf(access, "gateway"));
  const names = new Set<string>();
  const past: SessionCounts = { up: 0, down: 0, invalid: 0, dropped: 0 };
  const devices = links.map((address) => {
    const claim = (name: string) => !names.has(name) && names.add(name) !== undefined;
    const release = (name: string) => void names.delete(name);
    return new LinkedDevice({
      ...{ address, claim, release, log },
      access: (name) => accessOf(access, name),
      onCounts: (counts) => add(past, counts),
    });
  });
  return {
    counts() {
      const all = { ...past };
      for (const { counts } of devices) if (counts !== undefined) add(all, counts);
      return all;
    },
    async stop() {
      await Promise.all(devices.map((device) => device.stop()));
    },
  };
}

function accessOf({ broker, tls }: BrokerAccess, name: string): BrokerAccess {
  const own = (path: string | undefined) => path?.replaceAll(DEVICE, name);
  return { broker, tls: tls && { ca: tls.ca, cert: own(tls.cert), key: own(tls.key) } };
}

/** Devices' connections wait for a broker that is gone for a while; one that was never there is a mistake, and said at once. */
async function requireBroker(access: BrokerAccess): Promise<void> {
  const name = (await certificateName(access.tls)) ?? `gateway-${randomBytes(4).toString("hex")}`;
  const client = await openConnection({ ...access, name, status: false, prepare: () => undefined });
  await client.endAsync();
}

function add(to: SessionCounts, counts: Readonly<SessionCounts>): void {
  for (const name of Object.keys(to) as (keyof SessionCounts)[]) to[name] += counts[name];
}
