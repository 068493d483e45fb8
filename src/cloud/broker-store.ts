/** What the embedded broker remembers in a folder: sessions, messages that wait for clients who are away, retained messages, last wills. */
import { mkdir } from "node:fs/promises";
import type { AedesPublishPacket, Client } from "aedes";
import LevelPersistence from "aedes-persistence-level/asyncPersistence.js";
import { ClassicLevel } from "classic-level";
import { HedgeError } from "../errors.ts";
import { unwritable } from "../files.ts";

/** Messages that wait for one client, and bytes that wait for all: what comes beyond that is dropped, and counted. */
const MAX_MESSAGES = 1_000;
const MAX_BYTES = 256 << 20;

/** As the store writes its keys: `outgoing:CLIENT:...`, the client as in a URL. */
const WAITING = { gte: "outgoing:", lt: "outgoing;" };

const sizeOf = ({ payload }: AedesPublishPacket): number => payload.length;

export class BrokerStore extends LevelPersistence {
  readonly #db: ClassicLevel;
  readonly #messages = new Map<string, number>();
  #bytes = 0;
  #dropped = 0;

  private constructor(db: ClassicLevel) {
    super(db);
    this.#db = db;
  }

  /** Opens the folder, or begins one. @throws HedgeError (input) when that cannot be, or another broker has it */
  static async open(folder: string): Promise<BrokerStore> {
    await mkdir(folder, { recursive: true }).catch((cause) => {
      throw unwritable(folder, cause);
    });
    const db = new ClassicLevel(folder);
    try {
      await db.open();
    } catch (cause) {
      const { code, message } = ((cause as Error).cause ?? cause) as NodeJS.ErrnoException;
      throw code === "LEVEL_LOCKED"
        ? new HedgeError("input", `Another broker works in ${folder}.`, "Stop it, or name another folder.", { cause })
        : new HedgeError("input", `${folder} holds no broker's data: ${message}.`, "Name another folder.", { cause });
    }
    return new BrokerStore(db);
  }

  /** Messages that wait now, and those that were dropped since the start. */
  counts(): { queued: number; dropped: number } {
    return { queued: [...this.#messages.values()].reduce((sum, count) => sum + count, 0), dropped: this.#dropped };
  }

  override async setup(broker: unknown): Promise<void> {
    await super.setup(broker);
    const clients = new Set<string>();
    for await (const key of this.#db.keys(WAITING)) clients.add(decodeURIComponent(key.split(":")[1]!));
    for (const id of clients) for await (const packet of this.outgoingStream({ id })) this.#add(id, sizeOf(packet));
  }

  override async outgoingEnqueue(subscription: { clientId: string }, packet: AedesPublishPacket): Promise<void> {
    const { clientId } = subscription;
    const size = sizeOf(packet);
    if ((this.#messages.get(clientId) ?? 0) >= MAX_MESSAGES || this.#bytes + size > MAX_BYTES) {
      this.#dropped++;
      return;
    }
    this.#add(clientId, size);
    await super.outgoingEnqueue(subscription, packet);
  }

  override async outgoingClearMessageId(client: Client, packet: AedesPublishPacket) {
    const removed = await super.outgoingClearMessageId(client, packet);
    if (removed !== undefined) this.#add(client.id, -sizeOf(removed), -1);
    return removed;
  }

  #add(client: string, bytes: number, messages = 1): void {
    this.#bytes += bytes;
    const count = (this.#messages.get(client) ?? 0) + messages;
    if (count > 0) this.#messages.set(client, count);
    else this.#messages.delete(client);
  }
}
