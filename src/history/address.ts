/** Where a history is kept: in a folder of this machine, or in a database on a PostgreSQL server. */
import { resolve } from "node:path";
import { HedgeError } from "../errors.ts";

export type HistoryAddress =
  | { readonly folder: string; readonly shown: string }
  /** `shown` is for sentences and logs: the address without its secrets. */
  | { readonly url: string; readonly shown: string };

const REMEDY = "Give a folder, or an address such as postgres://user@host:5432/database.";

/** @throws HedgeError (usage) for an address that is none; it does not repeat what may hold a password */
export function parseAddress(text: string): HistoryAddress {
  if (text.trim() === "") throw new HedgeError("usage", "The history's address is empty.", REMEDY);
  if (!text.includes("://")) return { folder: resolve(text), shown: text };
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !["postgres:", "postgresql:"].includes(url.protocol) || !decodes(url)) {
    throw new HedgeError(
      "usage",
      "The history's address is neither a folder nor that of a PostgreSQL database.",
      REMEDY,
    );
  }
  const user = url.username === "" ? "" : `${url.username}@`;
  return { url: text, shown: `${url.protocol}//${user}${url.host}${url.pathname}` };
}

/** Whether no part of it has a percent sign that stands for nothing. */
function decodes({ username, password, pathname }: URL): boolean {
  try {
    for (const part of [username, password, pathname]) decodeURIComponent(part);
    return true;
  } catch {
    return false;
  }
}
