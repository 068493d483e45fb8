/** Questions to a history, each one statement in a transaction that writes nothing. */
import { HedgeError } from "../errors.ts";
import type { Database, Row, SqlValue } from "./database.ts";
import { requireSchema } from "./migrate.ts";

export interface Filter {
  /** Milliseconds back from now; undefined: everything. */
  readonly since?: number;
  readonly device?: string;
  readonly limit: number;
}

interface View {
  readonly columns: string;
  readonly from: string;
  /** The column by which rows are new. */
  readonly time: string;
  /** The column that names the device, where rows are of one. */
  readonly device?: string;
}

const NATS = "round(entropy / 65536.0, 4) as nats";
const SAMPLE = "device, session, sample, model";

/** Newest rows first. */
const VIEWS = {
  samples: {
    columns: `first_offer, ${SAMPLE}, offers, edge_label, ${NATS}, state, label, worker, ms`,
    from: "outcomes",
    time: "last_offer",
    device: "device",
  },
  results: {
    columns: `at, ${SAMPLE}, state, served, label, round(confidence::numeric, 4) as confidence, worker, ms, repeats, differs`,
    from: "results",
    time: "at",
    device: "device",
  },
  exits: {
    columns: `at, device, source, label, edge_label, ${NATS}, attempts, micros`,
    from: "exits",
    time: "at",
    device: "device",
  },
  devices: {
    columns: "name, online, first_seen, last_seen, board, firmware, model, counter, trial, reset_cause, uptime_s",
    from: "devices left join presence using (name)",
    time: "last_seen",
    device: "name",
  },
  workers: {
    columns: "name, online, first_seen, last_seen",
    from: "workers left join presence using (name)",
    time: "last_seen",
  },
  models: { columns: "digest, name, first_seen, last_seen", from: "models", time: "last_seen" },
  dead: {
    columns: "at, device, reason, sentence, size, encode(head, 'hex') as head",
    from: "dead_letters",
    time: "at",
    device: "device",
  },
  events: { columns: "at, subject, what, number, sentence", from: "events", time: "at", device: "subject" },
} as const satisfies Record<string, View>;

export type ViewName = keyof typeof VIEWS;
export const VIEW_NAMES = Object.keys(VIEWS) as ViewName[];

/** Rejects with HedgeErrors: usage (a device where rows are of none), input (no history of this version); and with DatabaseErrors. */
export async function rowsOfView(database: Database, shown: string, name: ViewName, filter: Filter): Promise<Row[]> {
  if (filter.device !== undefined && !("device" in VIEWS[name])) {
    throw new HedgeError("usage", `What there is of ${name} is of no device.`, "Leave --device away.");
  }
  return database.transaction(async (query) => {
    await requireSchema(query, shown);
    const { columns, from, time, device }: View = VIEWS[name];
    const { where, values } = conditions(filter, time, device);
    const limit = `limit $${values.length + 1}::bigint`;
    return query(`select ${columns} from ${from} ${where} order by ${time} desc ${limit}`, [...values, filter.limit]);
  }, "read only");
}

function conditions({ since, device }: Omit<Filter, "limit">, time: string, name?: string) {
  const parts: string[] = [];
  const values: SqlValue[] = [];
  if (since !== undefined) {
    values.push(since);
    parts.push(`${time} >= now() - $${values.length}::float8 * interval '1 millisecond'`);
  }
  if (device !== undefined && name !== undefined) {
    values.push(device);
    parts.push(`${name} = $${values.length}::text`);
  }
  return { where: parts.length > 0 ? `where ${parts.join(" and ")}` : "", values };
}

/** What a history comes to. */
export interface Summary {
  readonly samples: number;
  /** Offload frames of them: more than samples where some were offered again. */
  readonly offers: number;
  /** Samples without any result. */
  readonly unanswered: number;
  /** Of the results, by what the worker did. */
  readonly results: Readonly<Record<string, number>>;
  /** Results beyond the first of their sample; and samples whose answers were not all alike. */
  readonly repeats: number;
  readonly differing: number;
  /** Of the answered: how many have another label than the exit said. */
  readonly corrected: number;
  /** From receipt to answer, of the answered; null without any. */
  readonly ms: { readonly p50: number | null; readonly p99: number | null };
  /** Samples that devices answered themselves, by source. */
  readonly exits: Readonly<Record<string, number>>;
  /** Answered by the exit, of all samples that devices told of. Null without exits: nobody may have recorded them. */
  readonly coverage: number | null;
  readonly dead: Readonly<Record<string, number>>;
  readonly devices: number;
  readonly workers: number;
  readonly models: number;
  readonly newest: Date | null;
}

/** Of everything, or of one device's samples. Rejects as rowsOfView. */
export function summary(database: Database, shown: string, filter: Omit<Filter, "limit">): Promise<Summary> {
  return database.transaction(async (query) => {
    await requireSchema(query, shown);
    const ask = async (columns: string, { from, time, device }: View, rest = ""): Promise<Row[]> => {
      const { where, values } = conditions(filter, time, device);
      return query(`select ${columns} from ${from} ${where} ${rest}`, values);
    };
    const byName = async (column: string, view: View) => {
      const rows = await ask(`${column} as name, count(*) as rows`, view, `group by ${column} order by ${column}`);
      return Object.fromEntries(rows.map(({ name, rows }) => [name as string, rows as number]));
    };
    const [samples] = await ask(
      `count(*) as samples, coalesce(sum(offers), 0) as offers, count(*) filter (where state is null) as unanswered,
        coalesce(sum(repeats), 0) as repeats, count(*) filter (where differs) as differing,
        count(*) filter (where state = 'answered' and label <> edge_label) as corrected, max(last_offer) as newest,
        percentile_cont(0.5) within group (order by ms) filter (where state = 'answered') as p50,
        percentile_cont(0.99) within group (order by ms) filter (where state = 'answered') as p99`,
      VIEWS.samples,
    );
    const { p50, p99, ...counts } = samples as Row;
    const exits = await byName("source", VIEWS.exits);
    const exited = exits.edge ?? 0;
    const all = exited + (counts.samples as number);
    const isRecorded = Object.keys(exits).length > 0;
    return {
      ...(counts as Pick<
        Summary,
        "samples" | "offers" | "unanswered" | "repeats" | "differing" | "corrected" | "newest"
      >),
      results: await byName("served", VIEWS.results),
      ms: { p50: p50 as number | null, p99: p99 as number | null },
      exits,
      coverage: isRecorded ? exited / all : null,
      dead: await byName("reason", VIEWS.dead),
      devices: await countOf(ask, VIEWS.devices),
      workers: await countOf(ask, VIEWS.workers),
      models: await countOf(ask, VIEWS.models),
    };
  }, "read only");
}

async function countOf(ask: (columns: string, view: View) => Promise<Row[]>, view: View): Promise<number> {
  const [row] = await ask("count(*) as rows", view);
  return row?.rows as number;
}
