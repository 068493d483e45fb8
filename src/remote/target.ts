/** Where a device is reached. */
import type { BrokerAccess } from "../wire/broker-access.ts";
import { RemoteDevice, type RemoteHandlers } from "./remote-device.ts";

export type RemoteTarget =
  /** serial:/dev/ttyACM0, tcp:host:port or unix:path. */
  { readonly link: string } | (BrokerAccess & { readonly device: string });

/** Throws as RemoteDevice's ways do. */
export function openRemote(target: RemoteTarget, handlers: RemoteHandlers = {}): Promise<RemoteDevice> {
  if ("link" in target) return RemoteDevice.overLink(target.link, handlers);
  return RemoteDevice.overMqtt(target, target.device, handlers);
}
