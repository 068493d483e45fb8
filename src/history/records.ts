/** What a history is told, and how it stands in rows. */
import type { ModelEvent, ServedSample } from "../cloud/observer.ts";
import { type Answer, type Description, type DeviceEvent, EVENT_CODES } from "../wire/device-frames.ts";
import type { DeadLetter } from "../wire/frames.ts";

/** `at`: milliseconds from the epoch. */
export type HistoryRecord =
  | { readonly kind: "served"; readonly sample: ServedSample }
  | { readonly kind: "dead"; readonly at: number; readonly letter: DeadLetter }
  | { readonly kind: "model"; readonly event: ModelEvent }
  | { readonly kind: "answer"; readonly at: number; readonly device: string; readonly answer: Answer }
  | { readonly kind: "event"; readonly at: number; readonly device: string; readonly event: DeviceEvent }
  | { readonly kind: "description"; readonly at: number; readonly device: string; readonly description: Description }
  /** changed: said just now; otherwise it is what the broker kept, and nobody knows since when. */
  | {
      readonly kind: "status";
      readonly at: number;
      readonly name: string;
      readonly online: boolean;
      readonly changed: boolean;
    };

const HEAD_BYTES = 64;

/** The letter's head is a part of the whole message, which must not be kept for it: it is copied. */
export function deadRecord(letter: DeadLetter, at: number): HistoryRecord {
  return { kind: "dead", at, letter: { ...letter, head: Uint8Array.from(letter.head.subarray(0, HEAD_BYTES)) } };
}

type Cell = string | number | boolean | null;
/** One row of a statement's JSON: its keys are the columns that the statement names. */
export type JsonRow = Readonly<Record<string, Cell>>;

/** The rows of a batch, by what they are rows of. */
export interface Rows {
  devices: JsonRow[];
  models: JsonRow[];
  workers: JsonRow[];
  presence: JsonRow[];
  descriptions: JsonRow[];
  served: JsonRow[];
  exits: JsonRow[];
  dead: JsonRow[];
  events: JsonRow[];
}

const LONGEST_TEXT = 1000;

/** PostgreSQL takes neither zeros nor halves of surrogate pairs; nothing that is stored is longer than this. */
function text(value: string): string {
  // Through UTF-8, which has no halves.
  return Buffer.from(value.slice(0, LONGEST_TEXT)).toString().replaceAll("\0", "\ufffd");
}

/** First and last time of each name. */
class Seen {
  readonly #times = new Map<string, { first: number; last: number; label: string | null }>();

  add(name: string, at: number, label: string | null = null): void {
    const times = this.#times.get(name);
    if (times === undefined) {
      this.#times.set(name, { first: at, last: at, label });
      return;
    }
    times.first = Math.min(times.first, at);
    times.last = Math.max(times.last, at);
    times.label ??= label;
  }

  rows(): JsonRow[] {
    return [...this.#times].map(([name, times]) => ({ name: text(name), ...times }));
  }
}

/** All records as rows. Names are those of devices and workers, which the wire's schema or a topic vouches for. */
export function rowsOf(records: readonly HistoryRecord[]): Rows {
  const devices = new Seen();
  const models = new Seen();
  const workers = new Seen();
  const rows: Omit<Rows, "devices" | "models" | "workers"> = {
    presence: [],
    descriptions: [],
    served: [],
    exits: [],
    dead: [],
    events: [],
  };
  for (const record of records) {
    switch (record.kind) {
      case "served": {
        const { sample } = record;
        devices.add(sample.device, sample.at);
        models.add(sample.model, sample.at);
        workers.add(sample.worker, sample.at);
        rows.served.push(servedRow(sample));
        break;
      }
      case "dead": {
        const { at, letter } = record;
        if (letter.device !== "") devices.add(letter.device, at);
        rows.dead.push(deadRow(at, letter));
        break;
      }
      case "model": {
        const { at, digest, name, what, sentence, ms } = record.event;
        models.add(digest, at, text(name));
        rows.events.push({
          at,
          subject: text(digest),
          what: `model ${what}`,
          number: Math.round(ms),
          sentence: text(sentence),
        });
        break;
      }
      case "answer": {
        const { at, device, answer } = record;
        devices.add(device, at);
        // The cloud's answers are results; what was not taken is no sample.
        if (answer.source === "edge" || answer.source === "fallback") rows.exits.push(exitRow(at, device, answer));
        break;
      }
      case "event": {
        const { at, device, event } = record;
        devices.add(device, at);
        const { code, number, sentence } = event;
        rows.events.push({
          at,
          subject: text(device),
          what: EVENT_NAMES.get(code) ?? `code ${code}`,
          number,
          sentence: text(sentence),
        });
        break;
      }
      case "description": {
        const { at, device, description } = record;
        devices.add(device, at);
        if (description.model) models.add(description.model.digest, at, text(description.model.name));
        rows.descriptions.push(descriptionRow(at, device, description));
        break;
      }
      case "status": {
        const { at, name, online, changed } = record;
        rows.presence.push({ at, name: text(name), online });
        if (changed)
          rows.events.push({ at, subject: text(name), what: online ? "online" : "offline", number: 0, sentence: "" });
        break;
      }
    }
  }
  return { devices: devices.rows(), models: models.rows(), workers: workers.rows(), ...rows };
}

const EVENT_NAMES = new Map<number, string>(Object.entries(EVENT_CODES).map(([name, code]) => [code, name]));

function servedRow(s: ServedSample): JsonRow {
  return {
    at: s.at,
    device: text(s.device),
    session: s.session,
    sample: s.sample,
    model: text(s.model),
    attempt: s.attempt,
    deadline: s.deadline,
    edge_label: s.edgeLabel,
    entropy: s.entropy,
    payload_bytes: s.payloadBytes,
    served: s.as,
    state: s.state,
    label: s.label,
    confidence: s.confidence,
    worker: text(s.worker),
    ms: s.ms,
  };
}

function deadRow(at: number, { device, reason, sentence, size, head }: DeadLetter): JsonRow {
  return { at, device: text(device), reason, sentence: text(sentence), size, head: Buffer.from(head).toString("hex") };
}

function exitRow(at: number, device: string, answer: Answer): JsonRow {
  const { source, label, edgeLabel, entropy, attempts, micros } = answer;
  return { at, device: text(device), source, label, edge_label: edgeLabel, entropy, attempts, micros };
}

function descriptionRow(at: number, device: string, description: Description): JsonRow {
  const { board, firmware, model, uptimeSeconds, resetCause, counts, memory } = description;
  return {
    at,
    name: text(device),
    board: text(board),
    firmware: text(firmware),
    model: model?.digest ?? null,
    counter: model?.counter ?? null,
    slot: model?.slot ?? null,
    trial: model?.trial ?? null,
    uptime_s: uptimeSeconds,
    reset_cause: resetCause,
    counts: JSON.stringify(counts),
    memory: JSON.stringify(memory),
  };
}
