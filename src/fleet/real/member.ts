/** A device of a fleet in real time, whatever it is. */
import type { Sample } from "../offload.ts";
import type { RealGroup } from "./real-group.ts";

export interface Member {
  readonly group: RealGroup;
  /** Its place in the fleet. */
  readonly place: number;
  /** Comes to the broker; throws HedgeErrors when it does not. */
  connect(): Promise<void>;
  /** The run begins. */
  begin(): void;
  /** Runs, and takes samples. */
  readonly up: boolean;
  /** A sample for it; it tells its group what becomes of it. */
  arrive(sample: Sample): void;
  /** The run is over. */
  close(): Promise<void>;
}
