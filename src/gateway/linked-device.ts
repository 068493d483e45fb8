/** What is at the other end of a link: nobody, a device that needs the gateway to reach the broker, or one that does not. */
import type { Logger } from "pino";
import { type Hello, Link } from "../link/link.ts";
import type { BrokerAccess } from "../wire/broker-access.ts";
import { Session, type SessionCounts } from "./session.ts";

export interface LinkedDeviceOptions {
  readonly address: string;
  /** How a device of that name gets to the broker. */
  readonly access: (name: string) => BrokerAccess;
  /** Takes a name for this link: false while another link's device has it. */
  readonly claim: (name: string) => boolean;
  readonly release: (name: string) => void;
  /** Of a session that is over. */
  readonly onCounts: (counts: SessionCounts) => void;
  readonly log: Logger;
}

/** Milliseconds without a HELLO after which a device is gone; it answers every HOST frame, once a second, by one. */
const SILENCE = 6_000;

export class LinkedDevice {
  readonly #link: Link;
  #session: { readonly name: string; readonly at: Session } | undefined;
  /** While the last session says goodbye, no new one begins. */
  #ending: Promise<void> | undefined;
  #silence: NodeJS.Timeout | undefined;
  /** What was last said of this link, so that it is said once. */
  #said: string | undefined;

  /** Throws a HedgeError (usage) for an address that is none. */
  constructor(private readonly options: LinkedDeviceOptions) {
    const { address, log } = options;
    this.#link = new Link({
      address,
      hasBroker: () => this.#session?.at.online === true,
      onHello: (hello) => this.#hello(hello),
      onFrame: (type, frame) => this.#session?.at.up(type, frame),
      onLog: (line) => log.info({ link: address, device: this.#session?.name, line }, "log"),
      onLine: (trouble) => {
        this.#say(trouble === undefined ? "link open" : `link lost: ${trouble}`);
        if (trouble !== undefined) void this.#leave();
      },
    });
  }

  /** Of the session under way. */
  get counts(): SessionCounts | undefined {
    return this.#session?.at.counts;
  }

  async stop(): Promise<void> {
    await this.#leave();
    // The device need not wait for a silence to find out.
    this.#link.speakAsHost();
    this.#link.close();
    // It may have said hello in between.
    clearTimeout(this.#silence);
  }

  #hello({ id, isNetwork }: Hello): void {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => {
      this.#say("the device is silent");
      void this.#leave();
    }, SILENCE);
    if (this.#session?.name === id && isNetwork) return;
    if (this.#session !== undefined) void this.#leave(false);
    // It says hello again in a second.
    if (this.#ending !== undefined) return;
    if (!isNetwork) this.#say(`${id} has a network of its own; its log is shown`);
    else if (!this.options.claim(id)) this.#say(`another link has a device named ${id}; this one is left out`);
    else this.#join(id);
  }

  #join(name: string): void {
    const { access, log, address } = this.options;
    this.#say(`${name} is there`);
    const at = new Session({
      ...access(name),
      device: name,
      toDevice: (type, frame) => this.#link.send(type, frame),
      onBroker: () => this.#link.speakAsHost(),
      log: log.child({ link: address }),
    });
    this.#session = { name, at };
  }

  async #leave(isSilent = true): Promise<void> {
    if (isSilent) clearTimeout(this.#silence);
    const session = this.#session;
    if (session === undefined) return this.#ending;
    this.#session = undefined;
    this.#ending = session.at.stop().then(() => {
      this.options.onCounts(session.at.counts);
      this.options.release(session.name);
      this.#ending = undefined;
    });
    return this.#ending;
  }

  #say(sentence: string): void {
    if (sentence === this.#said) return;
    this.#said = sentence;
    this.options.log.info({ link: this.options.address }, sentence);
  }
}
