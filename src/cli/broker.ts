/** `hedge broker`: an MQTT broker for one machine. */
import type { Command } from "commander";
import type { BrokerCounts } from "../cloud/broker.ts";
import { integer } from "./options.ts";
import { globalOptions, printResult } from "./output.ts";
import { Progress } from "./progress.ts";
import { addRoleOptions, type RoleOptions, roleNames } from "./role-options.ts";
import { untilStopped } from "./signals.ts";

interface BrokerCommandOptions extends RoleOptions {
  readonly port: number;
  readonly host: string;
  readonly data?: string;
  readonly tlsCa?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly maxConnections: number;
}

/** Milliseconds between looks at the counts. */
const LOOK = 1_000;

export function register(program: Command): void {
  const command = program
    .command("broker")
    .summary("run an MQTT broker on this machine")
    .description(
      "Runs an MQTT 3.1.1 broker for one machine and one worker; several workers need a broker with shared subscriptions, such as mosquitto.\n" +
        "With --data it remembers sessions, at most 1,000 messages for each client that is away, and retained messages, also when it is killed.\n" +
        "With --tls-ca every client shows a certificate of that authority, bears the name in it, and touches only its own topics; --worker, " +
        "--operator and --recorder name those who have more rights. Without, everybody may do everything: leave it on this machine.",
    )
    .option("-p, --port <port>", "port to listen on; 0 takes a free one", integer(0, 65535), 1883)
    .option("--host <address>", "address to listen on", "127.0.0.1")
    .option("--data <folder>", "where it keeps what outlives it (default: nothing does)")
    .option("--tls-cert <file>", "its certificate (PEM): listens with TLS alone")
    .option("--tls-key <file>", "its private key (PEM)")
    .option("--tls-ca <file>", "authority of the clients' certificates (PEM)")
    .option("--max-connections <count>", "connections at a time", integer(1, 1_000_000), 10_000);
  addRoleOptions(command)
    .addHelpText(
      "after",
      "\nExample:\n  hedge broker --data broker/\n" +
        "  hedge broker --port 8883 --tls-cert broker.crt --tls-key broker.key --tls-ca ca.crt --worker worker-1 --operator ada",
    )
    .action(async (options: BrokerCommandOptions, command: Command) => {
      const { startBroker } = await import("../cloud/broker.ts");
      const globals = globalOptions(command);
      const { port, host, data, maxConnections, tlsCa: ca, tlsCert: cert, tlsKey: key } = options;
      const hasRoles = (options.worker ?? options.operator ?? options.recorder) !== undefined;
      const broker = await startBroker({
        ...{ port, host, data, maxConnections },
        tls: (ca ?? cert ?? key) === undefined ? undefined : { ca, cert, key },
        names: hasRoles ? roleNames(options) : undefined,
        onTrouble: (error) => process.stderr.write(`broker: ${error.message}\n`),
      });
      // Before it says so: who reads that it is ready may stop it at once.
      const stopped = untilStopped();
      printResult(globals, { ready: true, url: broker.url }, () => `broker ready at ${broker.url}`);
      const progress = new Progress(globals);
      let said = "";
      const look = setInterval(() => {
        const text = countsText(broker.counts());
        if (text !== said) progress.update(text);
        said = text;
      }, LOOK);
      await stopped;
      clearInterval(look);
      progress.end();
      const counts = broker.counts();
      await broker.close();
      printResult(globals, counts, () => `broker stopped: ${countsText(counts)}`);
    });
}

function countsText({ clients, messages, bytes, queued, dropped }: BrokerCounts): string {
  return `${clients} clients, ${messages} messages (${(bytes / 1e6).toFixed(1)} MB), ${queued} waiting, ${dropped} dropped`;
}
