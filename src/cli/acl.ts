/** `hedge acl`: who may say and hear what at a broker. */
import { type Command, Option } from "commander";
import type { AclBroker } from "../acl/write.ts";
import { integer } from "./options.ts";
import { globalOptions, printResult } from "./output.ts";
import { addRoleOptions, type RoleOptions, roleNames } from "./role-options.ts";

interface AclCommandOptions extends RoleOptions {
  readonly out: string;
  readonly for: AclBroker;
  readonly port: number;
  readonly host?: string;
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

const CERTIFICATES = "/etc/mosquitto/certs";

export function register(program: Command): void {
  const command = program
    .command("acl")
    .summary("write an access list for a broker")
    .description(
      "Writes what a broker needs so that each client is who its certificate says and touches only its own topics: hedge.acl (who may say and " +
        "hear what), hedge.conf (a listener with TLS, client certificates and limits) and worker-group (the secret name under which workers " +
        "share the samples; kept if it is there). Everybody has the rights of a device under his own name; the options name those who have more.",
    );
  addRoleOptions(command)
    .option("-o, --out <folder>", "where the files go", "broker")
    .addOption(
      new Option("--for <broker>", "mosquitto, or emqx: written after its documentation, not tried")
        .choices(["mosquitto", "emqx"] satisfies AclBroker[])
        .default("mosquitto"),
    )
    .option("-p, --port <port>", "port to listen on", integer(1, 65535), 8883)
    .option("--host <address>", "address to listen on (default: all)")
    .option("--ca <file>", "certificate of the clients' authority, as the broker finds it", `${CERTIFICATES}/ca.crt`)
    .option("--cert <file>", "the broker's certificate", `${CERTIFICATES}/broker.crt`)
    .option("--key <file>", "its private key", `${CERTIFICATES}/broker.key`)
    .addHelpText("after", "\nExample:\n  hedge acl --worker worker-1 worker-2 --operator ada -o broker/")
    .action(async (options: AclCommandOptions, command: Command) => {
      const { writeAcl } = await import("../acl/write.ts");
      const { out: folder, for: broker, port, host, ca, cert, key } = options;
      const names = roleNames(options);
      const written = await writeAcl({ folder, names, broker, port, host, certificates: { ca, cert, key } });
      printResult(globalOptions(command), written, () =>
        [
          `${written.acl}  who may say and hear what`,
          `${written.settings}  the listener: for ${broker}'s folder of settings`,
          `${written.group}  for workers (--group); keep it secret`,
        ].join("\n"),
      );
    });
}
