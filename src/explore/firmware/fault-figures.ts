/** Faults that last: how long a board takes to be up to date again, and what it loses. */
import type { Bundle } from "../../bundle/bundle.ts";
import type { Report } from "../run-edge.ts";
import { expectRun } from "./expected.ts";
import { type Fault, survive, unaccounted, WAITING } from "./faults.ts";
import { Field } from "./field.ts";

export interface FaultFiguresOptions {
  readonly bundle: Bundle;
  /** WAITING of them are used. */
  readonly images: readonly Int8Array[];
  /** Takes `figure NAME VALUE UNIT` and plain lines. */
  readonly print: (line: string) => void;
  readonly report: Report;
}

/** Milliseconds; longer than any of the faults and the board's way back behind it. */
const DEADLINE = 58_000;

interface LastingFault {
  readonly name: string;
  readonly seconds: number;
  readonly of: (field: Field) => Fault;
}
const FAULTS: readonly LastingFault[] = [
  { name: "broker", seconds: 10, of: (field) => field.brokerGone },
  { name: "link", seconds: 30, of: (field) => field.linkDown },
  { name: "worker", seconds: 20, of: (field) => field.workerGone },
];

/**
 * On mps2-an386, over its Ethernet.
 * @throws HedgeErrors: usage (no mosquitto), input (no firmware, no QEMU), network (the board does not answer)
 */
export async function faultFigures({ bundle, images, print, report }: FaultFiguresOptions): Promise<void> {
  // Nothing exits.
  const run = await expectRun(bundle, images.slice(0, WAITING), 0);
  let lost = 0;
  for (const [i, { name, seconds, of }] of FAULTS.entries()) {
    report(`${name} gone for ${seconds} s`, i, FAULTS.length);
    const config = { deadlineMs: DEADLINE };
    const field = await Field.open({ board: "mps2-an386", transport: "mqtt", operator: "uart", bundle, config });
    try {
      const { ms, flaws, counts } = await survive(field.lab, run, of(field), seconds * 1000);
      const { samples, offered, answered } = counts;
      lost += flaws.length + unaccounted(counts);
      print(`${name} gone for ${seconds} s: ${samples} samples, ${offered} offers, ${answered} answered`);
      print(`figure fw.recover.${name} ${(ms / 1000).toFixed(2)} s`);
    } finally {
      await field.close();
    }
  }
  print(`figure fw.recover.lost ${lost} samples`);
}
