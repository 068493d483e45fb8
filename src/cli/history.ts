/** `hedge history`: what happened, in SQL. */
import { randomBytes } from "node:crypto";
import { Argument, type Command } from "commander";
import { HedgeError } from "../errors.ts";
import type { ViewName } from "../history/show.ts";
import { addBrokerOptions, type BrokerOptions, brokerAccess } from "./broker-options.ts";
import { prunedText, summaryText, tableText } from "./history-text.ts";
import { integer } from "./options.ts";
import { globalOptions, printResult } from "./output.ts";
import { withProgress } from "./progress.ts";
import { untilStopped } from "./signals.ts";

const PLACE = "a folder, or postgres://user@host:5432/database; a password is taken from PGPASSWORD or ~/.pgpass, too";
/** As src/history/show.ts has them, which help does not load. */
const VIEWS: readonly (ViewName | "summary")[] = [
  "summary",
  "samples",
  "results",
  "exits",
  "devices",
  "workers",
  "models",
  "dead",
  "events",
];

export function register(program: Command): void {
  const history = program
    .command("history")
    .summary("ask what happened, and record what devices say")
    .description(
      "A history is a database of what happened: samples, results, exits, devices, models, dead letters, events. Workers write theirs\n" +
        "(hedge worker --history). It is kept in a folder, which one process opens at a time, or on a PostgreSQL server.",
    );
  registerShow(history);
  registerRecord(history);
  registerMigrate(history);
  registerPrune(history);
}

interface ShowOptions {
  readonly at: string;
  readonly since?: string;
  readonly device?: string;
  readonly limit: number;
}

function registerShow(history: Command): void {
  history
    .command("show")
    .summary("show a summary, or the newest rows")
    .description("Shows what a history comes to, or the newest rows of a kind. Changes nothing.")
    .addArgument(new Argument("[what]", "of what").choices(VIEWS).default("summary"))
    .requiredOption("--at <place>", PLACE)
    .option("--since <duration>", "only what is not older, such as 90s, 1h or 2d")
    .option("-d, --device <name>", "only what is of this device")
    .option("-l, --limit <count>", "most rows", integer(1, 1_000_000), 20)
    .addHelpText(
      "after",
      "\nExample:\n  hedge history show --at out/history\n" +
        "  hedge history show dead --at postgres://hedge@db.example/hedge --since 1h --json",
    )
    .action(async (what: ViewName | "summary", options: ShowOptions, command: Command) => {
      const [{ useHistory }, { rowsOfView, summary }] = await Promise.all([
        import("../history/use.ts"),
        import("../history/show.ts"),
      ]);
      const globals = globalOptions(command);
      const { device, limit } = options;
      const since = options.since === undefined ? undefined : await quantity("duration", "--since", options.since);
      await withProgress(globals, async (progress) => {
        progress.update(`opening ${what}`);
        await useHistory(options.at, false, async (database, shown) => {
          if (what === "summary") {
            const found = await summary(database, shown, { since, device });
            progress.end();
            printResult(globals, found, () => summaryText(found));
            return;
          }
          const rows = await rowsOfView(database, shown, what, { since, device, limit });
          const { default: Table } = await import("cli-table3");
          progress.end();
          printResult(globals, rows, () =>
            tableText(rows, (head) => new Table({ head, style: { head: [], border: [] } })),
          );
        });
      });
    });
}

interface RecordOptions extends BrokerOptions {
  readonly to: string;
  readonly name?: string;
  readonly dead: boolean;
  readonly keep: string;
  readonly logLevel?: string;
}

function registerRecord(history: Command): void {
  const command = history
    .command("record")
    .summary("record what devices say")
    .description(
      "Subscribes to the status, answers, events and descriptions of all devices and to workers' dead letters, and records them until it is\n" +
        "stopped. One recorder is enough: each records all. Logs go to stderr as lines of JSON.",
    )
    .requiredOption("--to <place>", PLACE);
  addBrokerOptions(command)
    .option(
      "-n, --name <name>",
      "its name at the broker (default: its certificate's, else recorder- and 6 random digits)",
    )
    .option("--no-dead", "leave out dead letters: workers with --history record their own")
    .option("--keep <duration>", "rows that are older are deleted", "30d")
    .option("--log-level <level>", "debug, info, warn or error (default: info; with --quiet: warn)")
    .addHelpText("after", "\nExample:\n  hedge history record --broker mqtt://127.0.0.1:1883 --to out/history")
    .action(async (options: RecordOptions, command: Command) => {
      const [{ openHistory }, { startRecorder }, { createLog }, { checkName }, { certificateName }] = await Promise.all(
        [
          import("../history/history.ts"),
          import("../history/recorder.ts"),
          import("./log.ts"),
          import("../wire/topics.ts"),
          import("../wire/broker-access.ts"),
        ],
      );
      const globals = globalOptions(command);
      const access = brokerAccess(options);
      // Brokers with certificates may know their clients by nothing else.
      const name = options.name ?? (await certificateName(access.tls)) ?? `recorder-${randomBytes(3).toString("hex")}`;
      checkName("recorder", name);
      const log = createLog(options.logLevel ?? (globals.quiet ? "warn" : "info"), name);
      const age = await quantity("someDuration", "--keep", options.keep);
      const history = openHistory({ url: options.to, retention: { age }, log });
      try {
        const recorder = await startRecorder({ ...access, name, history, deadLetters: options.dead, log });
        // Before it says so: who reads that it is ready may stop it at once.
        const stopped = untilStopped();
        printResult(globals, { ready: true, name, to: history.status().at }, () => {
          return `${name} records to ${history.status().at}`;
        });
        await stopped;
        await recorder.stop();
        await history.close();
        const { written, dropped, refused } = history.status();
        const { invalid } = recorder.counts;
        printResult(globals, { name, written, dropped, refused, invalid }, () => {
          return `${name} wrote ${written} records; ${dropped} dropped, ${refused} refused, ${invalid} messages invalid`;
        });
      } finally {
        await history.close();
      }
    });
}

function registerMigrate(history: Command): void {
  history
    .command("migrate")
    .summary("bring a history's tables up to date")
    .description(
      "Makes the tables, or brings those of an earlier version up to date, all or nothing. Workers do so when they open a history; this is for\n" +
        "databases where they may not.",
    )
    .requiredOption("--at <place>", PLACE)
    .addHelpText("after", "\nExample:\n  hedge history migrate --at postgres://owner@db.example/hedge")
    .action(async ({ at }: { at: string }, command: Command) => {
      const [{ useHistory }, { migrate, SCHEMA_VERSION }] = await Promise.all([
        import("../history/use.ts"),
        import("../history/migrate.ts"),
      ]);
      const globals = globalOptions(command);
      const before = await withProgress(globals, (progress) => {
        progress.update("opening");
        return useHistory(at, true, (database, shown) => migrate(database, shown));
      });
      printResult(globals, { before, now: SCHEMA_VERSION }, () => {
        return before === SCHEMA_VERSION
          ? `schema ${before}, as it should be`
          : `schema ${before} -> ${SCHEMA_VERSION}`;
      });
    });
}

interface PruneOptions {
  readonly at: string;
  readonly olderThan?: string;
  readonly rows?: number;
  readonly bytes?: string;
}

function registerPrune(history: Command): void {
  history
    .command("prune")
    .summary("delete old rows")
    .description("Deletes old rows in small steps; whoever writes at the same time does not wait for it.")
    .requiredOption("--at <place>", PLACE)
    .option("--older-than <duration>", "rows without news for so long, such as 30d")
    .option("--rows <count>", "all but the newest so many samples, exits, dead letters and events", integer(0, 1e12))
    .option("--bytes <size>", "a folder: the oldest rows, while its tables take more, such as 2GB")
    .addHelpText("after", "\nExample:\n  hedge history prune --at out/history --older-than 30d")
    .action(async (options: PruneOptions, command: Command) => {
      const { at, olderThan, rows } = options;
      const age = olderThan === undefined ? undefined : await quantity("duration", "--older-than", olderThan);
      const bytes = options.bytes === undefined ? undefined : await quantity("bytes", "--bytes", options.bytes);
      if (age === undefined && rows === undefined && bytes === undefined) {
        throw new HedgeError("usage", "Nothing says what is old.", "Give --older-than, --rows or --bytes.");
      }
      const [{ useHistory }, { requireSchema }, { checkRetention, prune, tidy }] = await Promise.all([
        import("../history/use.ts"),
        import("../history/migrate.ts"),
        import("../history/retention.ts"),
      ]);
      const retention = { age, rows, bytes };
      checkRetention(at, retention);
      const globals = globalOptions(command);
      const pruned = await withProgress(globals, (progress) => {
        progress.update("opening");
        return useHistory(at, false, async (database, shown, isFolder) => {
          await requireSchema(database.query, shown);
          const gone = await prune(database, retention, async (until) => progress.update(prunedText(until)));
          if (isFolder) await tidy(database);
          return gone;
        });
      });
      printResult(globals, pruned, () => prunedText(pruned));
    });
}

async function quantity(kind: "duration" | "someDuration" | "bytes", option: string, text: string): Promise<number> {
  const units = await import("../units.ts");
  const parsed = units[kind].safeParse(text);
  if (parsed.success) return parsed.data;
  const flaw = parsed.error.issues[0]?.message ?? "it is not understood";
  throw new HedgeError("usage", `${option} ${JSON.stringify(text)}: ${flaw}.`, "See hedge history --help.");
}
