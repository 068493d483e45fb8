/** `hedge bundles`: the store in which workers find bundles by digest. */
import type { Command } from "commander";
import type { BundleEntry } from "../cloud/bundle-store.ts";
import { integer } from "./options.ts";
import { globalOptions, printResult } from "./output.ts";
import { withProgress } from "./progress.ts";
import { untilStopped } from "./signals.ts";

const DEFAULT_PORT = 8780;

export function register(program: Command): void {
  const bundles = program
    .command("bundles")
    .summary("keep bundles where workers find them")
    .description(
      "Keeps bundles in a store, a folder in which each lies under its digest. A worker that is given the store (hedge worker --store) loads\n" +
        "the model of a sample from it on demand, so that models can come and go without a restart.",
    );
  bundles
    .command("add")
    .summary("put bundles into a store")
    .description("Puts bundles into a store, each whole or not at all. The store is made if there is none.")
    .argument("<store>", "the store's folder")
    .argument("<bundles...>", "folders that hedge compile wrote")
    .addHelpText("after", "\nExample:\n  hedge bundles add store/ out/")
    .action(async (where: string, folders: string[], _options: unknown, command: Command) => {
      const [{ FolderStore }, { readBundle }, { requireHybrid }] = await Promise.all([
        import("../cloud/folder-store.ts"),
        import("../bundle/read.ts"),
        import("../bundle/manifest.ts"),
      ]);
      const globals = globalOptions(command);
      const store = new FolderStore(where);
      const added = await withProgress(globals, async (progress) => {
        // All are read before the first is put in: a mistake in one leaves the store as it was.
        const read = [];
        for (const [i, folder] of folders.entries()) {
          progress.update("reading bundle", i + 1, folders.length);
          const bundle = await readBundle(folder);
          requireHybrid(bundle.manifest);
          read.push(bundle);
        }
        const entries: BundleEntry[] = [];
        for (const [i, bundle] of read.entries()) {
          progress.update("adding bundle", i + 1, read.length);
          entries.push(await store.add(bundle));
        }
        return entries;
      });
      printResult(globals, { store: where, bundles: added }, () => lines(added));
    });
  bundles
    .command("list")
    .summary("list the bundles of a store")
    .description("Lists the bundles of a store: digest, size of all parts in bytes, name. Damaged ones are left out.")
    .argument("<store>", "the store's folder, or its address (http://host:port/path)")
    .addHelpText("after", "\nExample:\n  hedge bundles list http://127.0.0.1:8780/")
    .action(async (where: string, _options: unknown, command: Command) => {
      const { openBundleStore } = await import("../cloud/open-store.ts");
      const globals = globalOptions(command);
      const list = await withProgress(globals, (progress) => {
        progress.update("reading the store");
        return openBundleStore(where).list();
      });
      printResult(globals, { store: where, bundles: list }, () => lines(list) || "no bundles");
    });
  bundles
    .command("remove")
    .summary("take bundles out of a store")
    .description(
      "Takes bundles out of a store. Workers that have loaded one go on serving it until they need its room or end.",
    )
    .argument("<store>", "the store's folder")
    .argument("<digests...>", "of the bundles: at least the first 8 digits")
    .addHelpText("after", "\nExample:\n  hedge bundles remove store/ d7396a08")
    .action(async (where: string, digests: string[], _options: unknown, command: Command) => {
      const { FolderStore } = await import("../cloud/folder-store.ts");
      const store = new FolderStore(where);
      const found = await Promise.all(digests.map((digest) => store.find(digest)));
      for (const digest of found) await store.remove(digest);
      printResult(globalOptions(command), { store: where, removed: found }, () => found.join("\n"));
    });
  bundles
    .command("serve")
    .summary("serve a store over HTTP")
    .description(
      "Serves a store's folder over HTTP for workers elsewhere: reading only. There is no password; bundles are checked by their digests.",
    )
    .argument("<store>", "the store's folder")
    .option("-p, --port <port>", "port to listen on; 0: any free one", integer(0, 65535), DEFAULT_PORT)
    .option("--host <address>", "address to listen on", "127.0.0.1")
    .addHelpText("after", "\nExample:\n  hedge bundles serve store/ --port 8780")
    .action(async (folder: string, options: { port: number; host: string }, command: Command) => {
      const { serveBundles } = await import("../cloud/bundle-server.ts");
      const globals = globalOptions(command);
      const server = await serveBundles({ folder, ...options });
      const stopped = untilStopped();
      printResult(globals, { ready: true, url: server.url }, () => `serving ${folder} at ${server.url}`);
      await stopped;
      await server.close();
    });
}

function lines(entries: readonly BundleEntry[]): string {
  return entries.map(({ digest, bytes, name }) => `${digest}  ${String(bytes).padStart(11)}  ${name}`).join("\n");
}
