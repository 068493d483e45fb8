/** What a run will take, for the terminal. */
import type { FleetEstimate } from "../estimate.ts";
import type { FleetSpec } from "../spec.ts";
import { bytes, count, milliseconds, percent, seconds } from "./format.ts";
import { plainTable } from "./summary.ts";

export function estimateText({ name, duration, time, engine }: FleetSpec, estimate: FleetEstimate): string {
  const { devices, samples, inferences, memory, groups } = estimate;
  const late = groups.filter(({ busy }) => busy > 1);
  return [
    `${name}: ${count(devices)} devices, ${seconds(duration / 1e3)} in ${time} time`,
    plainTable(
      ["", "devices", "samples", "exit after", "offload after", "module busy"],
      groups.map(({ name, devices, samples, inferenceTime: { exit, full }, busy }) => [
        name,
        count(devices),
        count(samples),
        milliseconds(exit),
        milliseconds(full),
        percent(busy),
      ]),
    ),
    `To run: ${count(inferences)} inferences on ${engine} for ${count(samples)} samples; about ${seconds(estimate.seconds)} and ${bytes(memory)} here.`,
    ...late.map(({ name }) => `${name}: samples come faster than the module computes; some will be dropped.`),
  ].join("\n");
}
