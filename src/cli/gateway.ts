/** `hedge gateway`: brings devices without a network to the broker. */
import type { Command } from "commander";
import { addBrokerOptions, type BrokerOptions, brokerAccess } from "./broker-options.ts";
import { globalOptions, printResult } from "./output.ts";
import { untilStopped } from "./signals.ts";

interface GatewayCommandOptions extends BrokerOptions {
  readonly logLevel?: string;
}

export function register(program: Command): void {
  const command = program
    .command("gateway")
    .summary("bring devices on serial lines to the broker")
    .description(
      "Connects devices that have no network, but a serial line to this machine: each is at the broker under its own name, as if it had " +
        "one. Lines may come and go, and so may the broker.\n" +
        "A link is serial:/dev/ttyACM0 (serial:/dev/ttyUSB0@921600 for another speed than 115200), tcp:HOST:PORT or unix:PATH.\n" +
        "Logs, those of the devices among them, go to stderr as lines of JSON. SIGTERM and SIGINT stop it.",
    )
    .argument("<links...>", "addresses of the links");
  addBrokerOptions(command, {
    cert: "the devices' certificates (PEM), such as certs/{device}.crt: that of each device, and gateway.crt",
  })
    .option("--log-level <level>", "debug, info, warn or error (default: info; with --quiet: warn)")
    .addHelpText("after", "\nExample:\n  hedge gateway serial:/dev/ttyACM0 --broker mqtt://127.0.0.1:1883")
    .action(async (links: string[], options: GatewayCommandOptions, command: Command) => {
      const [{ startGateway }, { createLog }, { shownBroker }] = await Promise.all([
        import("../gateway/gateway.ts"),
        import("./log.ts"),
        import("../wire/broker-access.ts"),
      ]);
      const globals = globalOptions(command);
      const log = createLog(options.logLevel ?? (globals.quiet ? "warn" : "info"), "gateway");
      const gateway = await startGateway({ links, ...brokerAccess(options), log });
      const broker = shownBroker(options.broker);
      // Before it says so: who reads that it is ready may stop it at once.
      const stopped = untilStopped();
      printResult(globals, { ready: true, broker, links }, () => `gateway ready at ${broker} for ${links.join(", ")}`);
      await stopped;
      await gateway.stop();
      const counts = gateway.counts();
      printResult(globals, counts, () => {
        const { up, down, invalid, dropped } = counts;
        return `gateway brought ${up} frames to the broker and ${down} to devices; ${invalid} were invalid, ${dropped} dropped`;
      });
    });
}
