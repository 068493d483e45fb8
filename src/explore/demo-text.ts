/** What the demonstration shows: a few lines that renew themselves, and the table at the end. */
import Table from "cli-table3";
import type { DemoReport, DemoState, DeviceState } from "./demo.ts";

const BAR = 24;

/** One line per device, and a line of sums. */
export function progressText({ devices, total, seconds }: DemoState): string {
  const answers = devices.reduce((sum, device) => sum + device.answers, 0);
  const lines = devices.map(deviceLine);
  return `${lines.join("\n")}\n${answers}/${total} images answered, ${seconds.toFixed(1)} s`;
}

function deviceLine({ name, images, answers, right, counts }: DeviceState): string {
  const filled = images === 0 ? BAR : Math.round((BAR * answers) / images);
  const bar = "█".repeat(filled) + "░".repeat(BAR - filled);
  const waiting = counts.samples - answers;
  const accuracy = answers === 0 ? "" : `, ${percent(right / answers)} right`;
  return `${name.padEnd(10)} ${bar} ${answers}/${images}  here ${counts.exited}, cloud ${counts.answered}, waiting ${waiting}${accuracy}`;
}

/** The table; every number from this run. */
export function reportText(report: DemoReport): string {
  const { accuracy, step, memory } = report;
  const table = new Table({ style: { head: [], border: [], compact: true }, colAligns: ["left", "right"] });
  const { linear, stack = 0, metacode = 0 } = memory;
  table.push(
    ["images, devices", `${report.images}, ${report.devices} on ${report.engine}`],
    [`answered on the device (entropy < ${report.threshold} nats)`, percent(report.coverage)],
    ["right: answered on the device", percent(accuracy.edge)],
    ["right: offloaded", percent(accuracy.offloaded)],
    ["right: overall", percent(accuracy.overall)],
    ["right: the whole network on every image", percent(accuracy.whole)],
    ["right: the exit alone on every image", percent(accuracy.exit)],
    ["offloaded; unconfirmed; lost", `${report.offloaded}; ${report.unconfirmed}; ${report.lost}`],
    ["an offloaded sample", `${Math.round(report.bytesPerOffload)} B (payload ${report.payloadBytes} B)`],
    ["a step: mean; longest", `${step.mean.toFixed(2)} ms; ${step.longest.toFixed(1)} ms`],
    ["steps an image", step.perImage.toFixed(1)],
    ["module; weights", `${report.moduleBytes} B; ${report.weightBytes} B`],
    report.engine === "wasm3"
      ? ["RAM: linear + stack + metacode", `${linear} + ${stack} + ${metacode} = ${linear + stack + metacode} B`]
      : ["RAM: linear", `${linear} B`],
    ["first image to last answer", `${report.seconds.toFixed(1)} s`],
  );
  return `${report.model}\n${table.toString()}`;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
