/** What a device said by events, in order. */
import { type DeviceEvent, EVENT_CODES, type EventName } from "../../wire/device-frames.ts";

export class EventLog {
  readonly events: DeviceEvent[] = [];
  #waiting = new Set<() => void>();

  push(event: DeviceEvent): void {
    this.events.push(event);
    for (const wake of this.#waiting) wake();
  }

  /** Resolves to the first event of that name, of those from number `from` on and those to come. */
  async until(name: EventName, from = 0): Promise<DeviceEvent> {
    for (;;) {
      const found = this.events.slice(from).find(({ code }) => code === EVENT_CODES[name]);
      if (found) return found;
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          this.#waiting.delete(wake);
          resolve();
        };
        this.#waiting.add(wake);
      });
    }
  }
}
