/**
 * MQTT topics, version 1. A device publishes under its own name only, so that a broker can confine it by a pattern.
 *
 * | topic                       | from    | what                                                         |
 * |-----------------------------|---------|--------------------------------------------------------------|
 * | `hedge/v1/{device}/offload` | device  | an Offload frame                                             |
 * | `hedge/v1/{device}/result`  | worker  | a Result frame                                               |
 * | `hedge/v1/{device}/command` | anybody | a Command frame                                              |
 * | `hedge/v1/{device}/answer`  | device  | an Answer frame                                              |
 * | `hedge/v1/{device}/event`   | device  | an Event or a Description frame                              |
 * | `hedge/v1/{name}/status`    | both    | "online" or "offline", retained; "offline" is the last will  |
 * | `hedge/v1/dead`             | worker  | a DeadLetter frame                                           |
 */
import { HedgeError } from "../errors.ts";

export const ROOT = "hedge/v1";

/**
 * Names of devices and workers. They are MQTT client ids as well, and 23 characters is what every MQTT 3.1.1 server must
 * accept (MQTT-3.1.3-5). None of the characters has a meaning in topics.
 */
const NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,22}$/;

/** Whether a text may name a device or a worker. */
export function isName(text: string): boolean {
  return NAME.test(text);
}

/** Throws a HedgeError (usage) when `text` may not name a `what` ("device", "worker"). */
export function checkName(what: string, text: string): void {
  if (!isName(text)) {
    throw new HedgeError(
      "usage",
      `${JSON.stringify(text)} cannot name a ${what}.`,
      'Use 1 to 23 letters, digits, "-" and "_", with a letter or digit first.',
    );
  }
}

export const offloadTopic = (device: string): string => `${ROOT}/${device}/offload`;
export const resultTopic = (device: string): string => `${ROOT}/${device}/result`;
export const commandTopic = (device: string): string => `${ROOT}/${device}/command`;
export const answerTopic = (device: string): string => `${ROOT}/${device}/answer`;
export const eventTopic = (device: string): string => `${ROOT}/${device}/event`;
export const statusTopic = (name: string): string => `${ROOT}/${name}/status`;
export const DEAD_TOPIC = `${ROOT}/dead`;

/** Every device's offloads. */
export const OFFLOAD_FILTER = `${ROOT}/+/offload`;
/** The workers that share the offloads, unless they agree on another name. */
export const DEFAULT_GROUP = "workers";

/** Every device's offloads, each to one of the group (MQTT 5). */
export const sharedOffloadFilter = (group: string): string => `$share/${group}/${OFFLOAD_FILTER}`;

/** Longer than names: it may be a secret. */
const GROUP = /^[A-Za-z0-9_-]{1,64}$/;

/** Throws a HedgeError (usage) when `group` may not name a group of workers. */
export function checkGroup(group: string): void {
  if (GROUP.test(group)) return;
  throw new HedgeError(
    "usage",
    `${JSON.stringify(group)} cannot name a group of workers.`,
    'Use 1 to 64 letters, digits, "-" and "_".',
  );
}

const OFFLOAD = /^hedge\/v1\/([^/]+)\/offload$/;

/** The device whose offload topic this is; undefined for any other topic. */
export function deviceOf(topic: string): string | undefined {
  const name = OFFLOAD.exec(topic)?.[1];
  return name !== undefined && isName(name) ? name : undefined;
}
