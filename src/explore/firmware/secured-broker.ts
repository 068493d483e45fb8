/** mosquitto with two doors: one for this host, and one by TLS that demands a certificate of each device. */

import { HOST_ADDRESS } from "../../boards/emulator.ts";
import type { DeviceSettings } from "../../boards/provision.ts";
import { authority, signedBy } from "../certificates.ts";
import { type Broker, freePort, startMosquitto } from "../mosquitto.ts";

export interface SecuredBroker {
  readonly broker: Broker;
  /** What an emulated board has to be told for the second door. */
  readonly secured: DeviceSettings;
}

/** @param folder for certificates and keys */
export async function startSecuredBroker(folder: string): Promise<SecuredBroker> {
  const ca = await authority(folder, "authority");
  const server = await signedBy(ca, folder, "server", [`subjectAltName=IP:${HOST_ADDRESS}`]);
  const device = await signedBy(ca, folder, "device", ["extendedKeyUsage=clientAuth"]);
  const port = await freePort();
  const broker = await startMosquitto(undefined, [
    `listener ${port} 127.0.0.1`,
    ...[`cafile ${ca.certificate}`, `certfile ${server.certificate}`, `keyfile ${server.key}`],
    "require_certificate true",
    // The keys are this process's own.
    "user root",
  ]);
  const own = await device.der();
  return { broker, secured: { broker: `mqtts://127.0.0.1:${port}`, ca: (await ca.der()).certificate, ...own } };
}
