/** What a board's flash holds before its first model: whom it trusts and where it belongs, and random bytes that it stretches. */

import { randomBytes } from "node:crypto";
import { access } from "node:fs/promises";
import { dirname } from "node:path";
import { type DeviceConfig, type DeviceConfigInput, encodeConfig } from "../slot/device-config.ts";
import { generateKey, readSigningKey, type SigningKey, writeKey } from "../slot/keys.ts";
import { checkBroker } from "../wire/broker-access.ts";
import type { Slots } from "./boards.ts";
import { makeFolder } from "./state.ts";

const SEED_BYTES = 32;
const DEFAULT_BROKER = "mqtt://127.0.0.1:1883";
const MQTT_PORTS = { "mqtt:": 1883, "mqtts:": 8883 } as const;

/** What a device is told, its broker as the URL that people know it by; who it is and where its time comes from is added. */
export interface DeviceSettings
  extends Partial<Omit<DeviceConfigInput, "id" | "broker" | "brokerPort" | "tls" | "timeServer" | "timePort">> {
  /** mqtt://host:port, or mqtts://. */
  readonly broker?: string;
}

/** @param loopback what the device calls this machine, if it is one that this machine emulates */
function brokerConfig(url: string, loopback?: string): Pick<DeviceConfig, "broker" | "brokerPort" | "tls"> {
  checkBroker({ broker: url });
  const { protocol, hostname, port } = new URL(url);
  const broker = hostname.replace(/^\[|\]$/g, "");
  return {
    broker: loopback !== undefined && /^(localhost|127(\.\d+){3}|::1)$/.test(broker) ? loopback : broker,
    brokerPort: port === "" ? MQTT_PORTS[protocol as keyof typeof MQTT_PORTS] : Number(port),
    tls: protocol === "mqtts:",
  };
}

/**
 * A device's configuration from its settings.
 * @param time where a device on a network asks for the time of day; others are told over their link
 * @param loopback as of `brokerConfig`
 */
export function deviceConfig(
  id: string,
  { broker, signers = [], ...settings }: DeviceSettings & { readonly transport: DeviceConfig["transport"] },
  time: Pick<DeviceConfig, "timeServer" | "timePort">,
  loopback?: string,
): DeviceConfigInput {
  const network = settings.transport === "mqtt" ? { ...brokerConfig(broker ?? DEFAULT_BROKER, loopback), ...time } : {};
  return { ...settings, id, signers, ...network };
}

/** Writes a configuration into a flash area. @throws HedgeError (input) naming the value that is not right */
export function writeConfig(area: Buffer, { config }: Slots, settings: DeviceConfigInput): void {
  const block = encodeConfig(settings, config.bytes);
  area.fill(0xff, config.offset, config.offset + config.bytes).set(block, config.offset);
}

/** A fresh seed for a board without a random number generator. */
export function writeSeed(area: Buffer, { seed }: Slots): void {
  if (seed) area.fill(0xff, seed.offset, seed.offset + seed.bytes).set(randomBytes(SEED_BYTES), seed.offset);
}

/** The key that signs for a board on this machine; made when there is none yet. */
export async function developmentKey(path: string): Promise<SigningKey> {
  const isThere = await access(path).then(
    () => true,
    () => false,
  );
  if (!isThere) {
    await makeFolder(dirname(path));
    await writeKey(path, generateKey(), false);
  }
  return readSigningKey(path);
}
