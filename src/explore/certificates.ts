/** Certificates for tests and measurements, made by openssl: P-256, as the firmware's TLS takes them. */
import { execFile } from "node:child_process";
import { copyFile, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const openssl = (...args: string[]) => promisify(execFile)("openssl", args);

export interface Certificate {
  /** PEM files. */
  readonly certificate: string;
  readonly key: string;
  /** Followed by another one, in one file. */
  with(next: Certificate): Promise<Certificate>;
  /** DER. */
  der(): Promise<{ certificate: Uint8Array; key: Uint8Array }>;
}

function at(folder: string, name: string): Certificate {
  const certificate = join(folder, `${name}.crt`);
  const key = join(folder, `${name}.key`);
  const der = async (what: string, path: string) => {
    await openssl(what, "-in", path, "-outform", "DER", "-out", `${path}.der`);
    return new Uint8Array(await readFile(`${path}.der`));
  };
  return {
    certificate,
    key,
    with: async (next) => {
      const chain = at(folder, `${name}-chain`);
      await writeFile(
        chain.certificate,
        (await readFile(certificate, "utf8")) + (await readFile(next.certificate, "utf8")),
      );
      await copyFile(key, chain.key);
      return chain;
    },
    der: async () => ({ certificate: await der("x509", certificate), key: await der("ec", key) }),
  };
}

const newKey = (path: string) => openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", path);

/** An authority of its own name. */
export async function authority(folder: string, name: string): Promise<Certificate> {
  const made = at(folder, name);
  await newKey(made.key);
  const subject = ["-subj", `/CN=${name}`, "-days", "10", "-addext", "keyUsage=critical,keyCertSign"];
  await openssl("req", "-new", "-x509", "-key", made.key, "-sha256", "-out", made.certificate, ...subject);
  return made;
}

/** @param extensions as openssl writes them, such as subjectAltName=IP:10.0.2.2 @param days from today on; below 0: expired */
export async function signedBy(
  signer: Certificate,
  folder: string,
  name: string,
  extensions: readonly string[],
  days = 10,
): Promise<Certificate> {
  const made = at(folder, name);
  const [request, list] = [join(folder, `${name}.csr`), join(folder, `${name}.ext`)];
  await newKey(made.key);
  await writeFile(list, `${extensions.join("\n")}\n`);
  await openssl("req", "-new", "-key", made.key, "-subj", `/CN=${name}`, "-out", request);
  const authorities = ["-CA", signer.certificate, "-CAkey", signer.key, "-CAcreateserial"];
  const life = ["-days", String(days), "-sha256", "-extfile", list];
  await openssl("x509", "-req", "-in", request, ...authorities, ...life, "-out", made.certificate);
  return made;
}
