/** worker.yaml: everything that `hedge worker` can be told. Options of the command line come before what the file says. */
import { dirname, resolve } from "node:path";
import { z } from "zod";
import { HedgeError } from "../errors.ts";
import { parseAddress } from "../history/address.ts";
import { bytes, duration, someDuration } from "../units.ts";
import { checkBroker, shownBroker } from "../wire/broker-access.ts";
import { checkName, DEFAULT_GROUP, isName } from "../wire/topics.ts";
import type { WorkerMode } from "./connect.ts";
import { DEFAULT_LIMITS, MAX_BATCH } from "./models.ts";
import { DEFAULT_QUOTA } from "./quota.ts";

const path = z.string().min(1, "it is empty").max(4096);
const NAME_FLAW = 'it is not 1 to 23 letters, digits, "-" and "_", a letter or digit first';
const ADDRESS = /^(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+):\d{1,5}$/;

/** `HOST:PORT`; port 0 takes a free one. */
export const listenAddress = z
  .string()
  .regex(ADDRESS, "it is no address such as 127.0.0.1:9464")
  .refine((text) => Number(text.slice(text.lastIndexOf(":") + 1)) <= 65535, "its port is above 65535");

export const workerConfigSchema = z.strictObject({
  broker: z
    .strictObject({
      url: z
        .string()
        .regex(/^mqtts?:\/\/\S+$/, "it is no address such as mqtt://127.0.0.1:1883")
        .default("mqtt://127.0.0.1:1883")
        .describe("mqtt:// or mqtts://, with user and password where the broker asks for them"),
      ca: path.optional().describe("PEM file: whom to trust as the broker"),
      cert: path.optional().describe("PEM file: the worker's certificate"),
      key: path.optional().describe("PEM file: its private key"),
    })
    .refine(({ cert, key }) => (cert === undefined) === (key === undefined), "cert and key go together")
    .prefault({})
    .describe("how the broker is reached"),
  name: z
    .string()
    .refine(isName, NAME_FLAW)
    .optional()
    .describe(
      "name of this worker and its MQTT client id; default: the one in its certificate, or worker- and 6 random digits",
    ),
  mode: z
    .enum(["auto", "shared", "single"] satisfies WorkerMode[])
    .default("auto")
    .describe(
      "shared: one of several workers (MQTT 5); single: it takes every sample; auto: shared where the broker can",
    ),
  group: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,64}$/, 'it is not 1 to 64 letters, digits, "-" and "_"')
    .default(DEFAULT_GROUP)
    .describe("the workers that share samples; who knows its name can take part, so it may be kept secret"),
  bundles: z.array(path).max(1000).default([]).describe("folders that hedge compile wrote, loaded at the start"),
  store: z
    .string()
    .min(1)
    .optional()
    .describe("where bundles are found by their digest when a sample needs one: a folder, or http://host/base"),
  models: z
    .strictObject({
      count: z.int().min(1).max(10_000).default(DEFAULT_LIMITS.models).describe("most models in memory"),
      bytes: bytes.prefault("1GiB").describe("most bytes of models in memory"),
    })
    .prefault({})
    .describe("limits beyond which the model that was used longest ago is let go"),
  batching: z
    .strictObject({
      max: z.int().min(1).max(1024).default(MAX_BATCH).describe("most samples in one run"),
      delay: duration
        .refine((ms) => ms <= 10_000, "it is more than 10s")
        .prefault(0)
        .describe("how long a sample may wait for others while a process is idle"),
    })
    .prefault({})
    .describe("samples of one model are run together"),
  processes: z
    .int()
    .min(1)
    .max(256)
    .optional()
    .describe("batches that are run at a time, each in a process; default: all processors but one"),
  maxPending: z
    .int()
    .min(1)
    .max(65535)
    .default(64)
    .describe("most samples taken and not answered; the broker holds the rest"),
  quota: z
    .strictObject({
      rate: z
        .number()
        .min(0)
        .max(1e6)
        .default(DEFAULT_QUOTA.rate)
        .describe("samples per second of one device; 0: no quota"),
      burst: z.int().min(1).max(1e6).default(DEFAULT_QUOTA.burst).describe("samples that it may send at once"),
    })
    .prefault({})
    .describe("what each device may ask for"),
  history: z
    .strictObject({
      url: z.string().min(1).describe("postgres://..., or a folder for a database in this process"),
      retention: z
        .strictObject({
          age: someDuration.prefault("30d").describe("older rows go"),
          rows: z.int().min(1).max(1e9).optional().describe("most rows of each table"),
          bytes: bytes.optional().describe("most bytes of a folder's tables"),
        })
        .prefault({})
        .describe("what is let go, now and then"),
    })
    .optional()
    .describe("where what happened is kept; nowhere without it"),
  http: listenAddress.optional().describe("HOST:PORT of /metrics, /health, /ready and /status; off without it"),
  logLevel: z.enum(["debug", "info", "warn", "error"]).default("info").describe("the least level that is logged"),
  drain: duration.prefault("10s").describe("how long samples in work may take once the worker is told to stop"),
});
export type WorkerConfig = z.output<typeof workerConfigSchema>;

/** Reads worker.yaml; paths in it are relative to its folder. @throws HedgeError (input) that names the file and its wrong keys */
export async function readWorkerConfig(file: string): Promise<WorkerConfig> {
  // Workers that are told by options alone start sooner without it.
  const { readYaml } = await import("../yaml.ts");
  const config = await readYaml(file, workerConfigSchema, "worker");
  const here = (name: string) => resolve(dirname(file), name);
  const local = (place: string) => (isUrl(place) ? place : here(place));
  const { broker, bundles, store, history } = config;
  return {
    ...config,
    broker: { url: broker.url, ...onlyDefined({ ca: broker.ca, cert: broker.cert, key: broker.key }, here) },
    bundles: bundles.map(here),
    store: store === undefined ? undefined : local(store),
    history: history === undefined ? undefined : { ...history, url: local(history.url) },
  };
}

/** What a file may say. */
export type WorkerSaid = z.input<typeof workerConfigSchema>;

/**
 * A configuration with `said` over it, in the form of the file; what it leaves undefined stays.
 * @throws HedgeError (usage) that names the keys which are wrong
 */
export function withOptions(config: WorkerConfig | undefined, said: WorkerSaid): WorkerConfig {
  // In the words of every command.
  if (said.broker?.url !== undefined) checkBroker({ broker: said.broker.url });
  if (said.name !== undefined) checkName("worker", said.name);
  const parsed = workerConfigSchema.safeParse(said);
  if (!parsed.success) {
    const sentences = parsed.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`);
    throw new HedgeError("usage", `The options are not right: ${sentences.join("; ")}.`, "See hedge worker --help.");
  }
  return config === undefined ? parsed.data : over(config, said, parsed.data);
}

/** `base` with those values of `parsed` whose keys `said` names. */
function over<T extends object>(base: T, said: object, parsed: T): T {
  const result = { ...base } as Record<string, unknown>;
  const values = parsed as Record<string, unknown>;
  for (const [key, value] of Object.entries(said)) {
    if (value === undefined) continue;
    const before = result[key];
    result[key] = isRecord(value) && isRecord(before) ? over(before, value, values[key] as object) : values[key];
  }
  return result as T;
}

const isRecord = (value: unknown): value is object =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** The configuration as a file would say it, without passwords and other secrets. */
export function shownConfig(config: WorkerConfig): object {
  const { broker, group, models, batching, history, drain } = config;
  const ms = (value: number) => `${value}ms`;
  const size = (value: number | undefined) => value && `${value}B`;
  return {
    ...config,
    broker: { ...broker, url: shownBroker(broker.url) },
    group: group === DEFAULT_GROUP ? group : "***",
    models: { ...models, bytes: size(models.bytes) },
    batching: { ...batching, delay: ms(batching.delay) },
    history: history && {
      url: parseAddress(history.url).shown,
      retention: { ...history.retention, age: ms(history.retention.age), bytes: size(history.retention.bytes) },
    },
    drain: ms(drain),
  };
}

const isUrl = (place: string): boolean => /^[a-z][a-z0-9+]*:\/\//i.test(place);

function onlyDefined<Key extends string>(
  files: Record<Key, string | undefined>,
  map: (file: string) => string,
): Partial<Record<Key, string>> {
  const entries = Object.entries<string | undefined>(files);
  return Object.fromEntries(
    entries.flatMap(([key, file]) => (file === undefined ? [] : [[key, map(file)]])),
  ) as Partial<Record<Key, string>>;
}
