/** Images through every board: over Ethernet and over the UART, with both profiles, through a real broker and a worker, held to wasm3 on the host. */
import { knownBoards } from "../../boards/boards.ts";
import type { Bundle } from "../../bundle/bundle.ts";
import type { KernelProfile } from "../../plan/profile.ts";
import { loadSamples } from "../load-samples.ts";
import { startMosquitto } from "../mosquitto.ts";
import type { Report } from "../run-edge.ts";
import { startWorkerProcess } from "../worker-process.ts";
import { expectRun } from "./expected.ts";
import { compareRun } from "./identity.ts";
import { openLab } from "./lab.ts";

/** A bundle and its folder. */
export interface Compiled {
  readonly bundle: Bundle;
  readonly folder: string;
}

export interface IdentityOptions {
  readonly models: Readonly<Record<KernelProfile, Compiled>>;
  /** Labelled images. */
  readonly images: string;
  readonly count: number;
  /** Path of the command line's main file, to start workers with. */
  readonly hedge: string;
  readonly print: (line: string) => void;
  readonly report: Report;
}

interface Way {
  readonly board: string;
  readonly transport: "uart" | "mqtt";
}

/** Boards that run at the same time. */
const AT_ONCE = 2;
/** Milliseconds: longer than a worker takes on a busy machine. */
const DEADLINE = 60_000;
/** Differences of a run that are printed. */
const SHOWN = 5;

/** @returns how many answers, decisions and payloads differ, or frames are lost; 0 when all is as on the host */
export async function countDifferences(options: IdentityOptions): Promise<number> {
  const { print, report } = options;
  let differences = 0;
  for (const [profile, { bundle, folder }] of Object.entries(options.models)) {
    const { images } = await loadSamples(options.images, bundle.manifest, options.count);
    const run = await expectRun(bundle, images);
    const exits = run.samples.filter(({ edge }) => edge.exited).length;
    const broker = await startMosquitto();
    const worker = await startWorkerProcess(options.hedge, folder, broker.url);
    const found = new Map<Way, readonly string[]>();
    const compare = async (way: Way): Promise<void> => {
      const { board, transport } = way;
      const config = { deadlineMs: DEADLINE };
      const lab = await openLab({ board, transport, bundle, broker: broker.url, id: `${board}-${transport}`, config });
      const progress = (done: number, total: number): void => report(`${board}, ${transport}, ${profile}`, done, total);
      try {
        found.set(way, await compareRun(lab, broker.url, run, progress));
      } finally {
        await lab.close();
      }
    };
    const ways = waysOfBoards();
    try {
      const left = ways.values();
      await Promise.all(Array.from({ length: AT_ONCE }, () => inTurn(left, compare)));
    } finally {
      await worker.kill();
      await broker.close();
    }
    for (const way of ways) {
      const flaws = found.get(way)!;
      const sum = `${images.length} images, ${exits} exit: ${flaws.length} differences`;
      print(`${way.board}, ${way.transport}, ${profile}: ${sum}`);
      for (const flaw of flaws.slice(0, SHOWN)) print(`  ${flaw}`);
      differences += flaws.length;
    }
  }
  return differences;
}

/** Takes what is left of the items, one after another. */
async function inTurn<T>(items: Iterator<T>, work: (item: T) => Promise<void>): Promise<void> {
  for (let next = items.next(); !next.done; next = items.next()) await work(next.value);
}

/** Each emulated board that the firmware is for, by each way that it has to a broker. */
function waysOfBoards(): Way[] {
  const boards = knownBoards().filter(({ emulator, slots }) => emulator && slots);
  return boards.flatMap(({ name: board, emulator }): Way[] => [
    { board, transport: "uart" },
    ...(emulator?.ethernet === undefined ? [] : [{ board, transport: "mqtt" } as const]),
  ]);
}
