/** `hedge monitor`: shows what a device says. */
import { type Command, Option } from "commander";
import type { Entry } from "../remote/monitor.ts";
import { addBrokerOptions, type BrokerOptions } from "./broker-options.ts";
import { deviceTarget } from "./device-target.ts";
import { globalOptions } from "./output.ts";
import { untilStopped } from "./signals.ts";

interface MonitorOptions extends BrokerOptions {
  readonly board?: string;
  readonly state?: string;
  readonly device?: string;
}

export function register(program: Command): void {
  const command = program
    .command("monitor")
    .summary("show a device's log, events and answers")
    .description(
      "Shows what a device says until it is stopped: over its link its log, events, answers and offloads; over MQTT its events, answers " +
        "and status. A link is serial:/dev/ttyACM0, tcp:HOST:PORT or unix:PATH; it is opened again when it is lost.",
    )
    .argument("[link]", "address of the link")
    .addOption(new Option("--board <name>", "a board that hedge board run started, by its id").conflicts("device"))
    .option("--state <folder>", "its state folder (default: .hedge/NAME)")
    .option("-d, --device <id>", "the device's name at the broker");
  addBrokerOptions(command)
    .addHelpText(
      "after",
      "\nExample:\n  hedge monitor serial:/dev/ttyACM0\n  hedge monitor --board mps2-an386\n" +
        "  hedge monitor --broker mqtt://127.0.0.1:1883 --device porch --json",
    )
    .action(async (link: string | undefined, options: MonitorOptions, command: Command) => {
      const target = await deviceTarget({ link, ...options });
      const { startMonitor } = await import("../remote/monitor.ts");
      const { json } = globalOptions(command);
      const stopped = untilStopped();
      const monitor = await startMonitor(target, (entry) => {
        const time = new Date();
        process.stdout.write(`${json ? JSON.stringify({ time, ...entry }) : `${clock(time)}  ${sentence(entry)}`}\n`);
      });
      await stopped;
      await monitor.close();
    });
}

const LONGEST_KIND = "description".length;

/** HH:MM:SS.mmm of this machine. */
function clock(time: Date): string {
  const two = (value: number) => String(value).padStart(2, "0");
  const ms = String(time.getMilliseconds()).padStart(3, "0");
  return `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}.${ms}`;
}

function sentence(entry: Entry): string {
  const kind = entry.kind.padEnd(LONGEST_KIND + 2);
  switch (entry.kind) {
    case "log":
      return `${kind}${entry.line}`;
    case "event":
      return `${kind}${entry.sentence || "(no words)"} (code ${entry.code}, number ${entry.number}${replyTo(entry)})`;
    case "answer": {
      const nats = (entry.entropy / 65_536).toFixed(3);
      const ms = (entry.micros / 1000).toFixed(1);
      const by = { edge: "by the edge", cloud: "by the cloud", fallback: "by the exit, unconfirmed" };
      if (entry.source === "notTaken") return `${kind}not taken${replyTo(entry)}`;
      const offers = entry.attempts > 0 ? `, ${entry.attempts} offers` : "";
      return `${kind}label ${entry.label} ${by[entry.source]}${offers}; entropy ${nats} nats, ${ms} ms${replyTo(entry)}`;
    }
    case "offload":
      return `${kind}sample ${entry.sample}, offer ${entry.attempt}, ${entry.payloadBytes} B`;
    case "description": {
      const { model } = entry;
      const runs = model ? `${model.name}, counter ${model.counter}${model.trial ? ", on trial" : ""}` : "no model";
      return `${kind}${entry.device} on ${entry.board}: ${runs}; up ${entry.uptimeSeconds} s`;
    }
    case "line":
      return `${kind}${entry.trouble === undefined ? "open" : `lost: ${entry.trouble}`}`;
    case "status":
      return `${kind}${entry.online ? "online" : "offline"}`;
    case "invalid":
      return `${kind}${entry.sentence}`;
  }
}

function replyTo({ request }: { readonly request: number }): string {
  return request === 0 ? "" : `, request ${request}`;
}
