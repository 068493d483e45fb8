/** From an installed model to a confirmed one: the device starts again and tries it; whoever installed it says whether it is good. */
import { setTimeout as sleep } from "node:timers/promises";
import { HedgeError } from "../errors.ts";
import type { RemoteDevice, RemoteHandlers } from "../remote/remote-device.ts";
import { type Description, EVENT_CODES } from "../wire/device-frames.ts";

/** Milliseconds between looks at what the device runs, and until it must have started. */
const LOOK = 200;
const PATIENCE = 60_000;
/** Events, as the log writes them. */
const LOGGED_EVENT = /^(.*) \(event (\d+), number (\d+), request 0\)$/;
const GOOD: readonly number[] = [EVENT_CODES.ok, EVENT_CODES.started];

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

  /**
   * Waits until the device runs the model with this counter, and confirms it if it is told to.
   * @param before what the device said of itself before it was to start again
   * @throws HedgeError: check when the device gave the model up, with its reason; network when it does not come back
   */
  async settle(counter: number, before: Description, confirm: boolean): Promise<Description> {
    const until = Date.now() + PATIENCE;
    for (;;) {
      const now = await this.#device.describe();
      if (now.model?.counter === counter) break;
      // It always tries a new model first: once it has started without it, it gave it up.
      if (this.#gaveUp(counter) || now.uptimeSeconds < before.uptimeSeconds) throw this.#givenUp(now);
      if (Date.now() > until) throw this.#lost(now);
      await sleep(LOOK);
    }
    // The device does so once the model has passed its test.
    if (confirm) await this.#device.confirm();
    const after = await this.#device.describe();
    if (after.model?.counter !== counter) throw this.#givenUp(after);
    return after;
  }

  #gaveUp(counter: number): boolean {
    return this.#heard.some(({ code, number }) => code === EVENT_CODES.reverted && number === counter);
  }

  #givenUp({ device, model }: Description): HedgeError {
    const reasons = this.#heard.filter(({ code }) => !GOOD.includes(code)).map(({ sentence }) => sentence);
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
