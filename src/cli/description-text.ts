/** A device's description of itself, for people. */
import type { RunningBoard } from "../boards/state.ts";
import type { Description } from "../wire/device-frames.ts";

const STARTS: Record<Description["resetCause"], string> = {
  powerOn: "power on or reset",
  software: "it started itself again",
  watchdog: "its watchdog ended a hang",
  fault: "a fault",
};

export function descriptionText({ uart, variant }: RunningBoard, description: Description): string {
  const { device, board, firmware, model, uptimeSeconds, resetCause, counts, memory } = description;
  const { heapPeak, heapBytes, stackPeak, stackBytes, staticBytes, ramBytes } = memory;
  const rows = [
    ["device", `${device} on ${board} (${variant}), firmware ${firmware}, ${uart}`],
    [
      "model",
      model
        ? `${model.name}, counter ${model.counter}, slot ${model.slot}${model.trial ? ", on trial" : ""}`
        : "none: hedge flash puts one there",
    ],
    ["up", `${uptimeSeconds} s, since ${STARTS[resetCause]}`],
    [
      "counts",
      Object.entries(counts)
        .filter(([, count]) => count > 0)
        .map(([name, count]) => `${name} ${count}`)
        .join(", ") || "nothing yet",
    ],
    [
      "memory",
      `static ${staticBytes} of ${ramBytes}, heap ${heapPeak} of ${heapBytes}, stack ${stackPeak} of ${stackBytes} B`,
    ],
  ] as const;
  return rows.map(([name, value]) => `${name.padEnd(8)}${value}`).join("\n");
}
