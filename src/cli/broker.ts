/** `hedge broker`: an MQTT broker for one machine. */
import type { Command } from "commander";
import { integer } from "./options.ts";
import { globalOptions, printResult } from "./output.ts";
import { untilStopped } from "./signals.ts";

export function register(program: Command): void {
  program
    .command("broker")
    .summary("run an MQTT broker on this machine")
    .description(
      "Runs an MQTT 3.1.1 broker for trying things out on one machine: one worker, no passwords.\n" +
        "Several workers need a broker with shared subscriptions, such as mosquitto.",
    )
    .option("-p, --port <port>", "port to listen on; 0 takes a free one", integer(0, 65535), 1883)
    .option("--host <address>", "address to listen on", "127.0.0.1")
    .action(async (options: { port: number; host: string }, command: Command) => {
      const { startBroker } = await import("../cloud/broker.ts");
      const broker = await startBroker(options);
      // Before it says so: who reads that it is ready may stop it at once.
      const stopped = untilStopped();
      printResult(globalOptions(command), { ready: true, url: broker.url }, () => `broker ready at ${broker.url}`);
      await stopped;
      await broker.close();
    });
}
