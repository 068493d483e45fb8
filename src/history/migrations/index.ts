/** The schema's steps, in order. A step that was released is never changed: what comes later is another step. */
import { sql as tables } from "./0001-tables.ts";
import { sql as repeatsAndTimes } from "./0002-repeats-and-times.ts";

export interface Migration {
  readonly version: number;
  readonly name: string;
  readonly sql: string;
}

export const MIGRATIONS: readonly Migration[] = [
  { version: 1, name: "tables", sql: tables },
  { version: 2, name: "repeats and times", sql: repeatsAndTimes },
];
