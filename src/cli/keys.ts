/** `hedge keys`: the keys that sign models. */
import type { Command } from "commander";
import type { PublicKey } from "../slot/keys.ts";
import { globalOptions, printResult } from "./output.ts";

export function register(program: Command): void {
  const keys = program
    .command("keys")
    .summary("make and show the keys that sign models")
    .description(
      "Makes and shows keys. Devices take models only if a key that they trust has signed them (hedge sign).",
    );
  keys
    .command("generate")
    .summary("make a key")
    .description(
      "Makes a key of ECDSA over P-256: the private half, readable by its owner alone, and beside it NAME.pub.pem, which devices are " +
        "told to trust. Whoever has the private half can put models onto those devices; without it nobody can.",
    )
    .argument("<file>", "where the private half goes, such as signer.pem")
    .option("-f, --force", "replace a key; devices that trust it take no model of the new one")
    .addHelpText("after", "\nExample:\n  hedge keys generate signer.pem")
    .action(async (path: string, { force = false }: { force?: boolean }, command: Command) => {
      const { generateKey, writeKey } = await import("../slot/keys.ts");
      const key = generateKey();
      const publicPath = await writeKey(path, key, force);
      printResult(globalOptions(command), { private: path, public: publicPath, ...described(key) }, () =>
        [`${path}  keep it secret, and keep a copy`, `${publicPath}  for devices`, ...lines(key)].join("\n"),
      );
    });
  keys
    .command("show")
    .summary("show a key's id and its public half")
    .description(
      "Shows a key's id, by which images and logs name it, and its public half: an uncompressed point of P-256.",
    )
    .argument("<file>", "a private or a public key (PEM)")
    .addHelpText("after", "\nExample:\n  hedge keys show signer.pub.pem")
    .action(async (path: string, _options: unknown, command: Command) => {
      const { readPublicKey } = await import("../slot/keys.ts");
      const key = await readPublicKey(path);
      printResult(globalOptions(command), described(key), () => lines(key).join("\n"));
    });
}

function described({ id, point }: PublicKey): { id: string; point: string } {
  return { id, point: Buffer.from(point).toString("hex") };
}

function lines(key: PublicKey): string[] {
  const { id, point } = described(key);
  return [`id     ${id}`, `point  ${point}`];
}
