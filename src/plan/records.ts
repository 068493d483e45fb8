/** The epilogue's records of all channels, in one piece. */
import type { EpilogueDraft } from "./epilogue.ts";

export interface Records {
  readonly data: Uint8Array;
  /** One for all channels where all are alike, else one for each. */
  readonly count: number;
}

/** @param repeat how many elements in a row share a channel's record */
export function joinRecords({ records, recordBytes }: EpilogueDraft, repeat = 1): Records {
  const [first] = records as [Uint8Array];
  if (records.every((record) => record.every((byte, i) => byte === first[i]))) return { data: first, count: 1 };
  const count = records.length * repeat;
  const data = new Uint8Array(count * recordBytes);
  for (let i = 0; i < count; i++) data.set(records[Math.floor(i / repeat)]!, i * recordBytes);
  return { data, count };
}
