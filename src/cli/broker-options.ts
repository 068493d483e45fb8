/** How a command reaches the broker: the same options everywhere. */
import { type Command, Option } from "commander";
import type { BrokerAccess } from "../wire/broker-access.ts";
import { DEFAULT_BROKER } from "./options.ts";

export interface BrokerOptions {
  readonly broker: string;
  readonly tlsCa?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
}

export interface BrokerOptionTexts {
  /** What the address is for. */
  readonly broker?: string;
  /** Whose certificate it is. */
  readonly cert?: string;
}

/** Adds `--broker` with its default, and the files of TLS. */
export function addBrokerOptions(command: Command, texts: BrokerOptionTexts = {}): Command {
  const text = texts.broker ?? "the MQTT broker; mqtts:// for TLS, a user and password as mqtts://user:password@host";
  return addTlsOptions(command.addOption(new Option("-b, --broker <url>", text).default(DEFAULT_BROKER)), texts);
}

/** For commands that say of `--broker` more than that. */
export function addTlsOptions(command: Command, { cert }: BrokerOptionTexts = {}): Command {
  return command
    .option(
      "--tls-ca <file>",
      "authorities that may sign the broker's certificate (PEM; default: those that Node trusts)",
    )
    .option("--tls-cert <file>", cert ?? "this client's own certificate (PEM), for brokers that ask for one")
    .option("--tls-key <file>", "its private key (PEM)");
}

export function brokerAccess(options: BrokerOptions): BrokerAccess {
  const { broker, tlsCa: ca, tlsCert: cert, tlsKey: key } = options;
  const hasFiles = (ca ?? cert ?? key) !== undefined;
  return { broker, tls: hasFiles ? { ca, cert, key } : undefined };
}
