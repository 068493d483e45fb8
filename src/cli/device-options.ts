/** What a device is told, as options: of boards that are emulated and of real ones. */
import { type Command, Option } from "commander";
import type { DeviceSettings } from "../boards/provision.ts";
import { DEFAULT_BROKER } from "./options.ts";

export interface DeviceOptions {
  readonly id?: string;
  readonly transport?: "mqtt" | "uart";
  readonly broker: string;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly trust?: string[];
}

export function addDeviceOptions(command: Command): Command {
  return command
    .option("--id <name>", "the device's name (default: the board's)")
    .addOption(new Option("--transport <way>", "to the cloud (default: mqtt where it can)").choices(["mqtt", "uart"]))
    .option("-b, --broker <url>", "the MQTT broker; mqtts:// for TLS", DEFAULT_BROKER)
    .option("--ca <file>", "certificate of the authority that signed the broker's (PEM); needed for TLS")
    .option("--cert <file>", "the device's own certificate (PEM)")
    .option("--key <file>", "its private key (PEM)")
    .option("--trust <files...>", "at most two public keys whose models it takes (hedge keys)");
}

/** @throws HedgeError (input) for a file that does not hold what it should */
export async function deviceSettings(options: DeviceOptions): Promise<DeviceSettings> {
  const { transport, broker, ca, cert, key, trust } = options;
  const [{ readCertificate, readPrivateKey }, { readPublicKey }] = await Promise.all([
    import("../boards/pem.ts"),
    import("../slot/keys.ts"),
  ]);
  return {
    transport,
    broker,
    ca: ca === undefined ? undefined : await readCertificate(ca),
    certificate: cert === undefined ? undefined : await readCertificate(cert),
    key: key === undefined ? undefined : await readPrivateKey(key),
    signers: trust && (await Promise.all(trust.map(async (file) => (await readPublicKey(file)).point))),
  };
}
