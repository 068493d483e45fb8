/** Images through every board: over Ethernet and over the UART, with both profiles, through a real broker and a worker, held to wasm3 on the host. */
import { knownBoards } from "../../boards/boards.ts";
import { readBundle } from "../../bundle/read.ts";
import { loadSamples } from "../load-samples.ts";
import { startMosquitto } from "../mosquitto.ts";
import type { Report } from "../run-edge.ts";
import { startWorkerProcess } from "../worker-process.ts";
import { expectRun } from "./expected.ts";
import { compareRun } from "./identity.ts";
import { openLab } from "./lab.ts";

export interface IdentityOptions {
  /** Folders of the model's bundles. */
  readonly bundles: Readonly<Record<"portable" | "native", string>>;
  /** Labelled images. */
  readonly images: string;
  readonly count: number;
  /** Path of the command line's main file, to start workers with. */
  readonly hedge: string;
  readonly print: (line: string) => void;
  readonly report: Report;
}

/** @returns how many answers, decisions and payloads differ, or frames are lost; 0 when all is as on the host */
export async function countDifferences(options: IdentityOptions): Promise<number> {
  const { print, report } = options;
  let differences = 0;
  for (const [profile, folder] of Object.entries(options.bundles)) {
    const bundle = await readBundle(folder);
    const { images } = await loadSamples(options.images, bundle.manifest, options.count);
    const run = await expectRun(bundle, images);
    const exits = run.samples.filter(({ edge }) => edge.exited).length;
    const broker = await startMosquitto();
    const worker = await startWorkerProcess(options.hedge, folder, broker.url);
    try {
      for (const [board, transport] of waysOfBoards()) {
        const where = `${board}, ${transport}, ${profile}`;
        const lab = await openLab({ board, transport, bundle, broker: broker.url });
        try {
          const found = await compareRun(lab, broker.url, run, (done, total) => report(where, done, total));
          print(`${where}: ${images.length} images, ${exits} exit: ${found.length} differences`);
          for (const difference of found.slice(0, 5)) print(`  ${difference}`);
          differences += found.length;
        } finally {
          await lab.close();
        }
      }
    } finally {
      await worker.kill();
      await broker.close();
    }
  }
  return differences;
}

/** Each emulated board that the firmware is for, by each way that it has to a broker. */
function waysOfBoards(): (readonly [board: string, transport: "uart" | "mqtt"])[] {
  const boards = knownBoards().filter(({ emulator, slots }) => emulator && slots);
  return boards.flatMap(({ name, emulator }) => [
    [name, "uart"] as const,
    ...(emulator?.ethernet === undefined ? [] : [[name, "mqtt"] as const]),
  ]);
}
