/** An emulated board in the field: a broker, a worker, and each thing between the board and the worker can be taken away and brought back. */
import { pino } from "pino";
import { type CloudWorker, startWorker } from "../../cloud/worker.ts";
import { type Broker, startMosquitto } from "../mosquitto.ts";
import type { Fault } from "./faults.ts";
import { type Lab, type LabOptions, openLab } from "./lab.ts";

export type FieldOptions = Omit<LabOptions, "broker">;

export class Field {
  #broker: Broker;
  #worker: CloudWorker | undefined;
  #lab: Lab | undefined;

  private constructor(
    broker: Broker,
    private readonly options: FieldOptions,
  ) {
    this.#broker = broker;
  }

  /** @throws HedgeErrors: usage (no mosquitto), input (no firmware, no QEMU), network (the board does not answer) */
  static async open(options: FieldOptions): Promise<Field> {
    const field = new Field(await startMosquitto(), options);
    try {
      await field.startWorker();
      field.#lab = await openLab({ ...options, broker: field.broker });
      return field;
    } catch (error) {
      await field.close();
      throw error;
    }
  }

  get broker(): string {
    return this.#broker.url;
  }

  get lab(): Lab {
    return this.#lab!;
  }

  async startWorker(): Promise<void> {
    const log = pino({ level: "silent" });
    const { bundle } = this.options;
    this.#worker = await startWorker({ broker: this.broker, bundles: [bundle], name: "worker", processes: 1, log });
  }

  async stopWorker(): Promise<void> {
    await this.#worker?.stop();
    this.#worker = undefined;
  }

  /** The broker ends and forgets everything; boards notice. Only of boards that are at the broker themselves, as the next one. */
  get brokerGone(): Fault {
    return {
      strike: async () => {
        const { log } = this.lab;
        const lines = log.lines.length;
        await this.#broker.close();
        await log.until(/^net: .*next try/, lines);
      },
      mend: async () => {
        this.#broker = await startMosquitto(this.#broker.port);
      },
    };
  }

  /** The cable is out. */
  get linkDown(): Fault {
    return {
      strike: async () => {
        const { emulator, log } = this.lab;
        const lines = log.lines.length;
        await emulator.linkDown();
        await log.until(/^net: link down/, lines);
      },
      mend: () => this.lab.emulator.linkUp(),
    };
  }

  get workerGone(): Fault {
    return { strike: () => this.stopWorker(), mend: () => this.startWorker() };
  }

  async close(): Promise<void> {
    await this.#lab?.close();
    await this.stopWorker();
    await this.#broker.close();
  }
}
