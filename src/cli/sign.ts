/** `hedge sign`: a bundle -> the signed image of a model slot. */
import { join } from "node:path";
import type { Command } from "commander";
import { SLOT_FILE } from "../bundle/manifest.ts";
import { integer } from "./options.ts";
import { globalOptions, printResult } from "./output.ts";

interface SignOptions {
  readonly key: string;
  readonly counter?: number;
  readonly board?: string;
  readonly out?: string;
}

export function register(program: Command): void {
  program
    .command("sign")
    .summary("sign a bundle for devices")
    .description(
      "Writes the image of a model slot: a header, the module and its weights, signed. Devices take it if they trust the key, and if its " +
        "counter is above that of every model they confirmed: so an older model cannot come back.",
    )
    .argument("<bundle>", "folder that hedge compile wrote")
    .requiredOption("-k, --key <file>", "the private key (hedge keys generate)")
    .option("-c, --counter <number>", "(default: seconds since 1970)", integer(1, 0xffffffff))
    .option("--board <name>", "refuse what does not fit a slot of this board (hedge boards lists them)")
    .option("-o, --out <file>", `where to (default: ${SLOT_FILE} in the bundle's folder)`)
    .addHelpText("after", "\nExample:\n  hedge sign out/ --key signer.pem --board mps2-an386")
    .action(async (folder: string, options: SignOptions, command: Command) => {
      const [{ readBundle }, { readSigningKey }, { createImage, requireRoom }, { findBoard }, { writeNamed }] =
        await Promise.all([
          import("../bundle/read.ts"),
          import("../slot/keys.ts"),
          import("../slot/image.ts"),
          import("../boards/boards.ts"),
          import("../files.ts"),
        ]);
      const { key: keyFile, out = join(folder, SLOT_FILE) } = options;
      const target = options.board === undefined ? undefined : await findBoard(options.board);
      const key = await readSigningKey(keyFile);
      const counter = options.counter ?? Math.floor(Date.now() / 1000);
      const image = createImage(await readBundle(folder), key, counter);
      if (target) requireRoom(image, target);
      await writeNamed(out, image.bytes);
      const { name, digest, keyId } = image.header;
      const result = { image: out, name, digest, counter, key: keyId, bytes: image.bytes.length };
      printResult(
        globalOptions(command),
        result,
        () => `${name} -> ${out}: ${result.bytes} B, counter ${counter}, signed by key ${keyId}`,
      );
    });
}
