/** `hedge worker`: finishes offloaded samples. */
import { randomBytes } from "node:crypto";
import { type Command, Option } from "commander";
import type { WorkerConfig } from "../cloud/config.ts";
import { HedgeError } from "../errors.ts";
import { addTlsOptions, type BrokerOptions } from "./broker-options.ts";
import { DEFAULT_BROKER, integer, nonNegative } from "./options.ts";
import { globalOptions, printResult } from "./output.ts";
import { untilStopped } from "./signals.ts";
import { register as registerStatus } from "./worker-status.ts";

/** Options that stand for a key of worker.yaml; one that is not given leaves what the file says. */
interface WorkerCommandOptions extends Partial<BrokerOptions> {
  readonly config?: string;
  readonly check?: boolean;
  readonly name?: string;
  readonly mode?: WorkerConfig["mode"];
  readonly group?: string;
  readonly store?: string;
  readonly processes?: number;
  readonly maxBatch?: number;
  readonly maxDelay?: string;
  readonly maxPending?: number;
  readonly quota?: number;
  readonly history?: string;
  readonly http?: string;
  readonly logLevel?: WorkerConfig["logLevel"];
  readonly drain?: string;
}

export function register(program: Command): void {
  const command = program
    .command("worker")
    .summary("finish offloaded samples")
    .description(
      "Takes the samples that devices offload, runs the cloud part of their model on onnxruntime and answers.\n" +
        "What an option says comes before what --config says. Logs go to stderr as lines of JSON. SIGTERM and SIGINT stop it once it has\n" +
        "answered what it took; a second one stops it at once.",
    )
    .argument(
      "[bundles...]",
      "folders that hedge compile wrote; with a store or a file of configuration none is needed",
    )
    .option("-c, --config <file>", "worker.yaml: all of this and more (hedge schema worker)");
  addTlsOptions(command.option("-b, --broker <url>", `the MQTT broker (default: ${DEFAULT_BROKER})`));
  command
    .option(
      "-n, --name <name>",
      "name of this worker (default: the one in its certificate, or worker- and 6 random digits)",
    )
    .addOption(
      new Option("--mode <mode>", "one of several workers, or the only one (default: auto)").choices([
        "auto",
        "shared",
        "single",
      ]),
    )
    .option("--group <name>", "the workers that it shares samples with (default: workers)")
    .option("--store <place>", "where other bundles are found by digest: a folder, or http://host/base")
    .option(
      "-p, --processes <count>",
      "batches that are run at a time, each in a process (default: all processors but one)",
      integer(1, 256),
    )
    .option("--max-batch <count>", "most samples in one run (default: 32)", integer(1, 1024))
    .option("--max-delay <duration>", "how long a sample may wait for others (default: 0)")
    .option("--max-pending <count>", "most samples taken and not yet answered (default: 64)", integer(1, 65535))
    .option("--quota <rate>", "samples per second of one device; 0: no quota (default: 50)", nonNegative)
    .option("--history <place>", "postgres://..., or a folder: what happened is kept there")
    .option("--http <address>", "HOST:PORT of /metrics, /health, /ready and /status")
    .addOption(
      new Option("--log-level <level>", "(default: info; with --quiet: warn)").choices([
        "debug",
        "info",
        "warn",
        "error",
      ]),
    )
    .option("--drain <duration>", "how long samples in work may take once it is told to stop (default: 10s)")
    .option("--check", "check and print the configuration, and start nothing")
    .addHelpText(
      "after",
      "\nExample:\n  hedge worker out/ --broker mqtt://127.0.0.1:1883\n" +
        "  hedge worker --config worker.yaml --http 127.0.0.1:9464\n  hedge worker status",
    )
    .action(run);
  registerStatus(command);
}

async function run(folders: string[], options: WorkerCommandOptions, command: Command): Promise<void> {
  const globals = globalOptions(command);
  const config = await configure(folders, options, globals.quiet);
  if (options.check) {
    const [{ stringify }, { shownConfig }] = await Promise.all([import("yaml"), import("../cloud/config.ts")]);
    const shown = shownConfig(config);
    printResult(globals, shown, () => stringify(shown).trimEnd());
    return;
  }
  const [{ readBundle }, { openBundleStore }, { startWorker }, { certificateName }, { createLog }] = await Promise.all([
    import("../bundle/read.ts"),
    import("../cloud/open-store.ts"),
    import("../cloud/worker.ts"),
    import("../wire/broker-access.ts"),
    import("./log.ts"),
  ]);
  const { mode, group, processes, maxPending, http, drain, quota, history } = config;
  const { url: broker, ...tls } = config.broker;
  const name = config.name ?? (await certificateName(tls)) ?? `worker-${randomBytes(3).toString("hex")}`;
  const log = createLog(config.logLevel, name);
  const bundles = await Promise.all(config.bundles.map((folder) => readBundle(folder)));
  const store = config.store === undefined ? undefined : openBundleStore(config.store);
  const { max: maxBatch, delay: maxDelay } = config.batching;
  const limits = { models: config.models.count, bytes: config.models.bytes };
  const worker = await startWorker({
    ...{ broker, tls, name, mode, group, bundles, store, limits, maxBatch, maxDelay, processes, maxPending },
    ...{ quota, history, http, drain, log },
  });
  // Before it says so: who reads that it is ready may stop it at once.
  const stopped = untilStopped();
  const models = bundles.map(({ manifest, digest }) => ({ name: manifest.name, digest }));
  const place = worker.status().broker;
  printResult(globals, { ready: true, name, broker: place, mode: worker.mode, http: worker.http, models }, () => {
    const what = models.map((model) => model.name).join(", ") || `what ${config.store} has`;
    return `${name} ready at ${place} for ${what}`;
  });
  await stopped;
  await worker.stop();
  const { answered, repeated, expired, limited, dead } = worker.counts;
  printResult(globals, { name, ...worker.counts }, () => {
    return (
      `${name} answered ${answered} samples and repeated ${repeated} answers; ` +
      `${expired} expired, ${limited} were beyond a quota, ${dead} dead letters`
    );
  });
}

/** What the options say, in the form of worker.yaml, over what the file says. */
async function configure(
  folders: readonly string[],
  options: WorkerCommandOptions,
  quiet: boolean,
): Promise<WorkerConfig> {
  const { readWorkerConfig, withOptions } = await import("../cloud/config.ts");
  const { name, mode, group, store, processes, maxPending, http, drain, history, quota } = options;
  const file = options.config === undefined ? undefined : await readWorkerConfig(options.config);
  const config = withOptions(file, {
    broker: { url: options.broker, ca: options.tlsCa, cert: options.tlsCert, key: options.tlsKey },
    ...{ name, mode, group, store, processes, maxPending, http, drain },
    bundles: folders.length > 0 ? [...folders] : undefined,
    batching: { max: options.maxBatch, delay: options.maxDelay },
    quota: { rate: quota },
    history: history === undefined ? undefined : { url: history },
    logLevel: options.logLevel ?? (quiet ? "warn" : undefined),
  });
  if (config.bundles.length === 0 && config.store === undefined) {
    const remedy = "Name the folder of a bundle, or where bundles are found (--store, or in the file of --config).";
    throw new HedgeError("usage", "The worker has no bundle to serve.", remedy);
  }
  await checkAddresses(config);
  return config;
}

/** What a file's schema leaves to those who use an address. @throws HedgeError (usage) */
async function checkAddresses({ broker: { url, ...tls }, store, history }: WorkerConfig): Promise<void> {
  const [{ checkBroker }, { openBundleStore }, { checkRetention }] = await Promise.all([
    import("../wire/broker-access.ts"),
    import("../cloud/open-store.ts"),
    import("../history/retention.ts"),
  ]);
  checkBroker({ broker: url, tls });
  if (store !== undefined) openBundleStore(store);
  if (history !== undefined) checkRetention(history.url, history.retention);
}
