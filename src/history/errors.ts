/** What a database says, as an error that a user can act on. */
import { HedgeError } from "../errors.ts";
import { DatabaseError } from "./database.ts";

/**
 * Classes of SQLSTATE that speak of the database's state, not of the rows: the same statement may do later. 08 connection, 25 and 40 transaction,
 * 28 refused user, 3D no such database, 42 missing table or right, 53 resources (a full disk), 55 and 57 locks, timeouts, shutdown, 58 system.
 */
const STATE_CLASSES = new Set(["08", "25", "28", "3D", "40", "42", "53", "55", "57", "58"]);

/** Whether it is about the rows that were to be written, and would come again with them; otherwise the database is away or in no state to write. */
export function isAboutRows(error: unknown): boolean {
  // Rows that cannot even be made are a defect of ours, which must not keep the others from being written.
  if (!(error instanceof DatabaseError)) return true;
  return isSqlState(error.code) && !STATE_CLASSES.has(error.code.slice(0, 2));
}

/** Otherwise it is an errno, or nothing. */
const isSqlState = (code: string | undefined): code is string => code !== undefined && /^[0-9A-Z]{5}$/.test(code);

/** Any error of opening or asking a history, for people. Errors of ours, and defects, stay what they are. */
export function historyError(error: unknown, shown: string): unknown {
  if (!(error instanceof DatabaseError)) return error;
  const { message, code = "" } = error;
  const cause = { cause: error };
  const said = message.replace(/\.$/, "");
  if (code.startsWith("28")) {
    const remedy = "Check user and password; the password may stand in the address, in PGPASSWORD or in ~/.pgpass.";
    return new HedgeError("network", `${shown} refuses the user: ${said}.`, remedy, cause);
  }
  if (code === "3D000") {
    return new HedgeError("input", `${shown}: ${said}.`, "Create it: createdb NAME.", cause);
  }
  if (code === "42501") {
    const remedy = "Let the user create tables in the schema: grant create on schema public to USER.";
    return new HedgeError("input", `${shown} does not allow it: ${said}.`, remedy, cause);
  }
  if (isSqlState(code)) {
    return new HedgeError("input", `The history at ${shown} failed: ${said}.`, "See the database's log.", cause);
  }
  return new HedgeError(
    "network",
    `No history answers at ${shown}: ${said}.`,
    "Check that the database is there.",
    cause,
  );
}
