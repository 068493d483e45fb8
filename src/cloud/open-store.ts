import { type BundleStore, isAddress } from "./bundle-store.ts";
import { FolderStore } from "./folder-store.ts";
import { openHttpStore } from "./http-store.ts";

/** A bundle store by the path of its folder or by its http(s) address. Throws a HedgeError (usage) for an address that is none. */
export function openBundleStore(where: string): BundleStore {
  return isAddress(where) ? openHttpStore(where) : new FolderStore(where);
}
