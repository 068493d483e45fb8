/** What a device says, as it says it: for whoever watches and asks nothing. */
import { HedgeError } from "../errors.ts";
import {
  type Answer,
  type Description,
  type DeviceEvent,
  decodeAnswer,
  decodeDescription,
  decodeEvent,
} from "../wire/device-frames.ts";
import { kindOf } from "../wire/fields.ts";
import { decodeOffload } from "../wire/frames.ts";
import type { RemoteTarget } from "./target.ts";
import { linkTransport, mqttTransport, type Transport, type TransportHandlers } from "./transport.ts";

/** An offload without its payload. */
export interface SeenOffload {
  readonly sample: number;
  readonly attempt: number;
  readonly label: number;
  readonly entropy: number;
  readonly payloadBytes: number;
}

export type Entry =
  | { readonly kind: "log"; readonly line: string }
  | ({ readonly kind: "event" } & DeviceEvent)
  | ({ readonly kind: "answer" } & Answer)
  | ({ readonly kind: "description" } & Description)
  | ({ readonly kind: "offload" } & SeenOffload)
  /** The link or the broker: there (no trouble) or gone. */
  | { readonly kind: "line"; readonly trouble?: string }
  | { readonly kind: "status"; readonly online: boolean }
  | { readonly kind: "invalid"; readonly sentence: string };

/**
 * Tells `onEntry` of everything until it is closed. Throws HedgeErrors: usage (an address or name that is none), network (no broker).
 */
export async function startMonitor(target: RemoteTarget, onEntry: (entry: Entry) => void): Promise<Transport> {
  const handlers: TransportHandlers = {
    onFrame: (frame) => onEntry(entryOf(frame)),
    onLog: (line) => onEntry({ kind: "log", line }),
    onLine: (trouble) => onEntry({ kind: "line", trouble }),
    onStatus: (online) => onEntry({ kind: "status", online }),
  };
  if ("link" in target) return linkTransport(target.link, handlers);
  return mqttTransport(target, target.device, handlers);
}

function entryOf(frame: Uint8Array): Entry {
  try {
    const kind = kindOf(frame);
    if (kind === "event") return { kind, ...decodeEvent(frame) };
    if (kind === "answer") return { kind, ...decodeAnswer(frame) };
    if (kind === "description") return { kind, ...decodeDescription(frame) };
    if (kind === "offload") {
      const { sample, attempt, label, entropy, payload } = decodeOffload(frame);
      return { kind, sample, attempt, label, entropy, payloadBytes: payload.length };
    }
    return { kind: "invalid", sentence: `A frame of ${frame.length} bytes is of no kind that devices send.` };
  } catch (error) {
    if (!(error instanceof HedgeError)) throw error;
    return { kind: "invalid", sentence: error.message };
  }
}
