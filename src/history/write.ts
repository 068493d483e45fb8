/**
 * A batch of records as statements: a few per kind of row, whatever the number of rows, which go as one JSON text. Tables are taken in one
 * order and rows sorted by key, so that writers do not wait for each other in a circle.
 */
import type { Database } from "./database.ts";
import { type HistoryRecord, type Rows, rowsOf } from "./records.ts";

const time = (milliseconds: string) => `to_timestamp(${milliseconds} / 1000)`;

/** Of a table of names: when each was first and last seen. */
const seen = (table: string) => `
  insert into ${table} (name, first_seen, last_seen)
  select name, ${time("first")}, ${time("last")}
  from json_to_recordset($1::json) as r (name text, first float8, last float8) order by name
  on conflict (name) do update
  set first_seen = least(${table}.first_seen, excluded.first_seen),
    last_seen = greatest(${table}.last_seen, excluded.last_seen)`;

const MODELS = `
  insert into models (digest, name, first_seen, last_seen)
  select name, label, ${time("first")}, ${time("last")}
  from json_to_recordset($1::json) as r (name text, label text, first float8, last float8) order by name
  on conflict (digest) do update
  set name = coalesce(excluded.name, models.name),
    first_seen = least(models.first_seen, excluded.first_seen),
    last_seen = greatest(models.last_seen, excluded.last_seen)`;

const PRESENCE = `
  insert into presence (name, online, since)
  select distinct on (name) name, online, ${time("at")}
  from json_to_recordset($1::json) as r (name text, online boolean, at float8) order by name, at desc
  on conflict (name) do update
  set online = excluded.online, since = excluded.since where presence.online <> excluded.online`;

const DESCRIPTIONS = `
  update devices
  set described = ${time("d.at")}, board = d.board, firmware = d.firmware, model = d.model, counter = d.counter, slot = d.slot,
    trial = d.trial, uptime_s = d.uptime_s, reset_cause = d.reset_cause, counts = d.counts::jsonb, memory = d.memory::jsonb
  from (
    select distinct on (name) *
    from json_to_recordset($1::json) as r (at float8, name text, board text, firmware text, model text, counter bigint, slot integer,
      trial boolean, uptime_s bigint, reset_cause text, counts text, memory text)
    order by name, at desc
  ) as d
  where devices.name = d.name and (devices.described is null or devices.described <= ${time("d.at")})`;

const SERVED = `json_to_recordset($1::json) as r (at float8, device text, session bigint, sample bigint, model text, attempt bigint,
    deadline float8, edge_label integer, entropy bigint, payload_bytes integer, served text, state text, label integer,
    confidence float8, worker text, ms float8)`;

const SAMPLES = `
  insert into samples (device, session, sample, model, edge_label, entropy, payload_bytes, deadline, attempts, offers,
    first_offer, last_offer)
  select device, session, sample, model, min(edge_label), min(entropy), min(payload_bytes), ${time("max(deadline)")}, max(attempt),
    count(*), ${time("min(at)")}, ${time("max(at)")}
  from ${SERVED}
  group by device, session, sample, model order by device, session, sample, model
  on conflict (device, session, sample, model) do update
  set attempts = greatest(samples.attempts, excluded.attempts), offers = samples.offers + excluded.offers,
    first_offer = least(samples.first_offer, excluded.first_offer), last_offer = greatest(samples.last_offer, excluded.last_offer)`;

/** The first result counts; what comes after it is counted, and remembered if it says something else. */
const RESULTS = `
  insert into results (device, session, sample, model, state, served, label, confidence, worker, ms, at, repeats, differs)
  select device, session, sample, model, state, served, label, confidence, worker, ms, ${time("(at + ms)")}, copies - 1, differs
  from (
    select *, row_number() over (same order by at) as place, count(*) over same as copies,
      coalesce(min(label) filter (where state = 'answered') over same <> max(label) filter (where state = 'answered') over same, false)
        as differs
    from ${SERVED}
    window same as (partition by device, session, sample, model)
  ) as r
  where place = 1 order by device, session, sample, model
  on conflict (device, session, sample, model) do update
  set repeats = results.repeats + excluded.repeats + 1,
    differs = results.differs or excluded.differs
      or (results.state = 'answered' and excluded.state = 'answered' and results.label <> excluded.label)`;

const EXITS = `
  insert into exits (at, device, source, label, edge_label, entropy, attempts, micros)
  select ${time("at")}, device, source, label, edge_label, entropy, attempts, micros
  from json_to_recordset($1::json) as r (at float8, device text, source text, label integer, edge_label integer, entropy bigint,
    attempts bigint, micros bigint)`;

const DEAD = `
  insert into dead_letters (at, device, reason, sentence, size, head)
  select ${time("at")}, device, reason, sentence, size, decode(head, 'hex')
  from json_to_recordset($1::json) as r (at float8, device text, reason text, sentence text, size bigint, head text)`;

const EVENTS = `
  insert into events (at, subject, what, number, sentence)
  select ${time("at")}, subject, what, number, sentence
  from json_to_recordset($1::json) as r (at float8, subject text, what text, number bigint, sentence text)`;

/** What is done with rows of each kind, in the order of the tables; $1: the rows. */
const STATEMENTS: { readonly [Kind in keyof Rows]: readonly string[] } = {
  devices: [seen("devices")],
  workers: [seen("workers")],
  models: [MODELS],
  presence: [PRESENCE],
  descriptions: [DESCRIPTIONS],
  served: [SAMPLES, RESULTS],
  exits: [EXITS],
  dead: [DEAD],
  events: [EVENTS],
};

/** Who writes, and the number of the batch among all of his: a batch that is in already is not written again. */
export interface BatchId {
  readonly writer: string;
  readonly batch: number;
}

const CLAIM = `
  insert into writers (writer, batch, at) values ($1::text, $2::bigint, now())
  on conflict (writer) do update set batch = excluded.batch, at = excluded.at where writers.batch < excluded.batch
  returning batch`;

/** Writes all records, or none and rejects with a DatabaseError. Batches of one writer come in the order of their numbers. */
export function writeBatch(
  database: Database,
  { writer, batch }: BatchId,
  records: readonly HistoryRecord[],
): Promise<void> {
  const rows = rowsOf(records);
  return database.transaction(async (query) => {
    const claimed = await query(CLAIM, [writer, batch]);
    if (claimed.length === 0) return;
    for (const [kind, statements] of Object.entries(STATEMENTS)) {
      const some = rows[kind as keyof Rows];
      if (some.length === 0) continue;
      const json = JSON.stringify(some);
      for (const sql of statements) await query(sql, [json]);
    }
  });
}
