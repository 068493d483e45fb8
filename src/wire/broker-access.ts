/** How a broker is reached: its address, and the PEM files that prove who is who. */
import { X509Certificate } from "node:crypto";
import { createSecureContext } from "node:tls";
import { HedgeError } from "../errors.ts";
import { readCapped } from "../files.ts";

/** Paths of PEM files. The broker's certificate is checked with or without them. */
export interface TlsFiles {
  /** Of the authorities that may sign the broker's certificate. Default: those that Node trusts. */
  readonly ca?: string | undefined;
  /** This client's own certificate, for brokers that ask for one; comes with `key`. */
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
}

export interface BrokerAccess {
  /** `mqtt://host:port` or `mqtts://host:port`, with a user and a password in front of the host where the broker asks for them. */
  readonly broker: string;
  /** For `mqtts://`. */
  readonly tls?: TlsFiles | undefined;
}

/** A chain of certificates is a few thousand bytes, a file of many authorities some hundred thousand. */
const MAX_PEM_BYTES = 1 << 20;

/** Throws a HedgeError (usage) when `broker` is not the address of a broker, or `tls` is given for one that is reached without TLS. */
export function checkBroker({ broker, tls }: BrokerAccess): void {
  const url = URL.canParse(broker) ? new URL(broker) : undefined;
  if (url === undefined || !["mqtt:", "mqtts:"].includes(url.protocol) || url.hostname === "") {
    throw new HedgeError(
      "usage",
      `${JSON.stringify(shownBroker(broker))} is not the address of an MQTT broker.`,
      "Give an address such as mqtt://127.0.0.1:1883 or mqtts://broker.example:8883.",
    );
  }
  if (hasFiles(tls) && url.protocol === "mqtt:") {
    throw new HedgeError(
      "usage",
      `Certificates are given, but ${shownBroker(broker)} is reached without TLS.`,
      "Give an address that begins with mqtts://, or leave the certificates away.",
    );
  }
}

/** The address without its password: for sentences and logs. */
export function shownBroker(broker: string): string {
  return broker.replace(/^((?:[^:/]*:\/\/|(?![^:/]*:\/\/))[^:]*):.*@/, "$1@");
}

/** What Node's TLS takes. */
export interface TlsMaterial {
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
}

/** Reads the files once. @throws HedgeError: usage for a certificate without its key or the other way round, input for a file that is not what it should be */
export async function readTls(tls: TlsFiles = {}): Promise<TlsMaterial> {
  const { ca, cert, key } = tls;
  if ((cert === undefined) !== (key === undefined)) {
    const [there, missing] = cert === undefined ? ["key", "certificate"] : ["certificate", "key"];
    throw new HedgeError("usage", `A ${there} is given without its ${missing}.`, "Give both, or none.");
  }
  const material: { ca?: Buffer; cert?: Buffer; key?: Buffer } = {};
  if (ca !== undefined) material.ca = await readPem(ca, "certificate", (pem) => new X509Certificate(pem));
  if (cert !== undefined && key !== undefined) {
    material.cert = await readPem(cert, "certificate", (pem) => new X509Certificate(pem));
    material.key = await readPem(key, "private key without a passphrase", (pem) => createSecureContext({ key: pem }));
    const pair = { cert: material.cert, key: material.key };
    usable(() => createSecureContext(pair), `${key} is not the key of ${cert}`, "Give the two that belong together.");
  }
  return material;
}

/** The common name of the client's certificate: the name that brokers know it by. Undefined without a certificate. */
export async function certificateName(tls: TlsFiles | undefined): Promise<string | undefined> {
  if (tls?.cert === undefined) return undefined;
  const pem = await readPem(tls.cert, "certificate", (bytes) => new X509Certificate(bytes));
  const name = /^CN=(.*)$/m.exec(new X509Certificate(pem).subject)?.[1];
  if (name !== undefined) return name;
  throw new HedgeError("input", `The certificate ${tls.cert} names nobody.`, "Give one with a common name (CN).");
}

async function readPem(path: string, what: string, parse: (pem: Buffer) => unknown): Promise<Buffer> {
  const pem = await readCapped(path, MAX_PEM_BYTES, `Give a ${what} in PEM form.`);
  usable(() => parse(pem), `${path} holds no ${what}`, "Give one in PEM form.");
  return pem;
}

function usable(use: () => unknown, trouble: string, remedy: string): void {
  try {
    use();
  } catch (cause) {
    throw new HedgeError("input", `${trouble}.`, remedy, { cause });
  }
}

function hasFiles(tls: TlsFiles | undefined): boolean {
  return tls !== undefined && (tls.ca ?? tls.cert ?? tls.key) !== undefined;
}
