/** A sample that a simulated device is not sure of, on its way through virtual time. */
import type { ResultState } from "../wire/frames.ts";
import type { EdgeAnswer } from "./answers.ts";
import type { Offering } from "./offering.ts";
import type { Job } from "./worker-model.ts";

/** A sample as its device has it. */
export interface Sample {
  /** Its place among its bundle's. */
  readonly place: number;
  /** When it arrived. */
  readonly arrived: number;
}

export interface Offload extends Sample {
  readonly answer: EdgeAnswer;
  /** Place of its bundle among the fleet's. */
  readonly bundle: number;
  /** Of its device's life, and its number in that. */
  readonly session: number;
  readonly number: number;
  /** As the frame says it: by the device's clock, which the worker compares with its own. */
  readonly deadline: number;
  attempts: number;
  /** When it is of no more use: virtual time. */
  readonly expires: number;
  /** When it is offered again, if nothing happens. */
  retryAt: number;
  /** Still waits for its answer. */
  open: boolean;
  /** What workers have made of it; mostly there is one. */
  readonly jobs: Job[];
  /** Its device's. */
  readonly offering: Offering;
}

/** What a worker says to it. */
export interface Reply {
  readonly offload: Offload;
  readonly state: ResultState;
  /** Of the cloud part; 0 where it did not answer. */
  readonly label: number;
  /** That the worker took. */
  readonly ms: number;
}
