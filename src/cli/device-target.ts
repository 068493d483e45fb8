/** Which device a command means: one on a link, a board that hedge board run started, or one at a broker. */
import { HedgeError } from "../errors.ts";
import type { RemoteTarget } from "../remote/target.ts";
import { type BrokerOptions, brokerAccess } from "./broker-options.ts";

export interface NamedDevice extends BrokerOptions {
  readonly link?: string | undefined;
  readonly board?: string | undefined;
  /** State folder of the board; by default that of its name. */
  readonly state?: string | undefined;
  readonly device?: string | undefined;
}

/** @throws HedgeError (usage) for none and for more than one, and for a board that does not run */
export async function deviceTarget({ link, board, state, device, ...broker }: NamedDevice): Promise<RemoteTarget> {
  const ways = [link, board, device].filter((way) => way !== undefined);
  if (ways.length !== 1) {
    throw new HedgeError(
      "usage",
      ways.length === 0 ? "No device is named." : "A device is named twice.",
      "Give the address of a link, --board NAME, or --device ID with --broker URL.",
    );
  }
  if (device !== undefined) return { ...brokerAccess(broker), device };
  if (link !== undefined) return { link };
  const { defaultFolder } = await import("../boards/state.ts");
  const { requireRunning } = await import("../boards/emulator.ts");
  return { link: (await requireRunning(state ?? defaultFolder(board!))).uart };
}
