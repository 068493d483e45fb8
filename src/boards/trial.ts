/** From an installed model to a confirmed one: the device starts again and tries it; whoever installed it says whether it is good. */
import { setTimeout as sleep } from "node:timers/promises";
import { HedgeError } from "../errors.ts";
import type { RemoteDevice, RemoteHandlers } from "../remote/remote-device.ts";
import { type Description, EVENT_CODES } from "../wire/device-frames.ts";

/** Milliseconds between looks at what the device runs, and until it must have started. */
const LOOK = 200;
const PATIENCE = 60_000;
/** Milliseconds after which a device that was started again meanwhile, and runs another model, is believed to have given the new one up. */
const SILENT = 10_000;
/** Events that were not asked for, as the log writes them. */
const LOGGED_EVENT = /^(.*) \(event (\d+), number (\d+)\)$/;
/** What a start is with. */
const NO_MODEL = 0;
const CONFIRMED = 1;
const ON_TRIAL = 2;
/** Why a model is given up. */
const REASONS: readonly number[] = [
  EVENT_CODES.tooLarge,
  EVENT_CODES.badHash,
  EVENT_CODES.rejected,
  EVENT_CODES.unrunnable,
  EVENT_CODES.slotTrapped,
  EVENT_CODES.reverted,
];

interface Heard {
  readonly code: number;
  readonly number: number;
  readonly sentence: string;
}

/** A device that one talks to, and what it said unasked, by events or on its log. */
export class TalkingDevice {
  readonly #heard: Heard[] = [];
  #device!: RemoteDevice;

  static async open(open: (handlers: RemoteHandlers) => Promise<RemoteDevice>): Promise<TalkingDevice> {
    const talking = new TalkingDevice();
    talking.#device = await open({
      onEvent: (event) => event.request === 0 && talking.#heard.push(event),
      onLog: (line) => talking.#hearLog(line),
    });
    return talking;
  }

  get remote(): RemoteDevice {
    return this.#device;
  }

  close(): Promise<void> {
    return this.#device.close();
  }

  #hearLog(line: string): void {
    const [, sentence, code, number] = LOGGED_EVENT.exec(line) ?? [];
    if (sentence !== undefined) this.#heard.push({ sentence, code: Number(code), number: Number(number) });
  }

  /** From now on what it says counts: it was told to start again, or will be. */
  forget(): void {
    this.#heard.length = 0;
  }

  /**
   * Waits until the device, which starts again since `forget`, runs the model with this counter, and confirms it if it is told to.
   * @throws HedgeError: check when the device gave the model up, with its reason; network when it does not come back
   */
  async settle(counter: number, confirm: boolean): Promise<Description> {
    const began = Date.now();
    for (;;) {
      const now = await this.#device.describe();
      const elapsed = Date.now() - began;
      if (now.model?.counter === counter) {
        if (!now.model.trial || (!confirm && (this.#started(ON_TRIAL) || elapsed > SILENT))) return now;
        // The device replies once the model has passed its test; if it does not, its next description tells.
        if (confirm) await this.#device.confirm().catch(ignoreRefusal);
      } else if (this.#started(NO_MODEL, CONFIRMED) || (elapsed > SILENT && now.uptimeSeconds * 1000 < elapsed)) {
        // A device tries a new model before any other: once it has started without it, it gave it up.
        throw this.#givenUp(now);
      }
      if (elapsed > PATIENCE) throw this.#lost(now);
      await sleep(LOOK);
    }
  }

  /** Whether it said that it started, in one of these states. */
  #started(...states: readonly number[]): boolean {
    return this.#heard.some(({ code, number }) => code === EVENT_CODES.started && states.includes(number));
  }

  #givenUp({ device, model, resetCause }: Description): HedgeError {
    const reasons = this.#heard.filter(({ code }) => REASONS.includes(code)).map(({ sentence }) => sentence);
    if (resetCause === "watchdog") reasons.unshift("it hung until the watchdog ended it");
    if (resetCause === "fault") reasons.unshift("it ended in a fault");
    const why = [...new Set(reasons)].join("; ") || "it did not say why";
    const now = model ? `it runs ${model.name} (counter ${model.counter}) again` : "it runs no model";
    return new HedgeError(
      "check",
      `${device} gave the new model up: ${why}; ${now}.`,
      "Mend the model, compile it again and flash it with a higher counter.",
    );
  }

  #lost({ device }: Description): HedgeError {
    return new HedgeError(
      "network",
      `${device} did not start the new model within ${PATIENCE / 1000} s.`,
      "See its log: hedge monitor.",
    );
  }
}

function ignoreRefusal(error: unknown): void {
  if (!(error instanceof HedgeError)) throw error;
}
