/** `hedge worker`: finishes offloaded samples. */
import { randomBytes } from "node:crypto";
import type { Command } from "commander";
import { DEFAULT_BROKER, integer } from "./options.ts";
import { globalOptions, printResult } from "./output.ts";
import { untilStopped } from "./signals.ts";

interface WorkerCommandOptions {
  readonly broker: string;
  readonly name?: string;
  readonly shared?: boolean;
  readonly threads?: number;
  readonly maxPending: number;
  readonly logLevel?: string;
}

export function register(program: Command): void {
  program
    .command("worker")
    .summary("finish offloaded samples")
    .description(
      "Takes the samples that devices offload, runs the cloud part of their model on onnxruntime and answers.\n" +
        "Logs go to stderr as lines of JSON. SIGTERM and SIGINT stop it once it has answered what it took.",
    )
    .argument("<bundles...>", "folders that hedge compile wrote")
    .option("-b, --broker <url>", "the MQTT broker", DEFAULT_BROKER)
    .option("-n, --name <name>", "name of this worker (default: worker- and 6 random digits)")
    .option("--shared", "share the samples with other workers (MQTT 5 broker, such as mosquitto)")
    .option("-t, --threads <count>", "threads that run models (default: all processors but one)", integer(1, 256))
    .option("--max-pending <count>", "most samples taken and not yet answered", integer(1, 65535), 64)
    .option("--log-level <level>", "debug, info, warn or error (default: info; with --quiet: warn)")
    .addHelpText("after", "\nExample:\n  hedge worker out/ --broker mqtt://127.0.0.1:1883")
    .action(async (folders: string[], options: WorkerCommandOptions, command: Command) => {
      const [{ readBundle }, { startWorker }, { createLog }] = await Promise.all([
        import("../bundle/read.ts"),
        import("../cloud/worker.ts"),
        import("./log.ts"),
      ]);
      const globals = globalOptions(command);
      const name = options.name ?? `worker-${randomBytes(3).toString("hex")}`;
      const log = createLog(options.logLevel ?? (globals.quiet ? "warn" : "info"), name);
      const bundles = await Promise.all(folders.map((folder) => readBundle(folder)));
      const { broker, shared, threads, maxPending } = options;
      const worker = await startWorker({ broker, bundles, name, shared, threads, maxPending, log });
      // Before it says so: who reads that it is ready may stop it at once.
      const stopped = untilStopped();
      const models = bundles.map(({ manifest, digest }) => ({ name: manifest.name, digest }));
      printResult(globals, { ready: true, name, broker, models }, () => {
        return `${name} ready at ${broker} for ${models.map((model) => model.name).join(", ")}`;
      });
      await stopped;
      await worker.stop();
      const { answered, repeated, expired, dead } = worker.counts;
      printResult(globals, { name, ...worker.counts }, () => {
        return `${name} answered ${answered} samples and repeated ${repeated} answers; ${expired} expired, ${dead} dead letters`;
      });
    });
}
