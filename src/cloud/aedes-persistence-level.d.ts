/** What this project uses of it; the package has no types. */
declare module "aedes-persistence-level/asyncPersistence.js" {
  import type { Readable } from "node:stream";
  import type { AedesPublishPacket, Client } from "aedes";
  import type { ClassicLevel } from "classic-level";

  export default class LevelPersistence {
    constructor(db: ClassicLevel);
    setup(broker: unknown): Promise<void>;
    outgoingEnqueue(subscription: { clientId: string }, packet: AedesPublishPacket): Promise<void>;
    outgoingClearMessageId(client: Client, packet: AedesPublishPacket): Promise<AedesPublishPacket | undefined>;
    outgoingStream(client: Pick<Client, "id">): Readable;
    destroy(): Promise<void>;
  }
}
