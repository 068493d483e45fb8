import { connect, type MqttClient } from "mqtt";
import { pino } from "pino";
import { expect, it } from "vitest";
import { startMosquitto } from "../../test/support/brokers.ts";
import { startRelay } from "../../test/support/relay.ts";
import { logConnection } from "./log-connection.ts";

it("logs that a connection comes and goes, and none of the attempts in between", async () => {
  const broker = await startMosquitto();
  const way = await startRelay(`tcp:127.0.0.1:${broker.port}`);
  let client: MqttClient | undefined;
  try {
    const lines: { msg: string; broker: string }[] = [];
    const log = pino({ base: null }, { write: (line: string) => lines.push(JSON.parse(line)) });
    const { target } = way;
    way.target = undefined;
    const url = way.link.replace("tcp:", "mqtt://ada:enigma@");
    client = connect(url, { reconnectPeriod: 10 });
    logConnection(client, log, url);
    const times = (event: "connect" | "close", count: number) => {
      return new Promise<void>((resolve) => client?.on(event, () => --count === 0 && resolve()));
    };
    await times("close", 3);
    way.target = target;
    await times("connect", 1);
    way.target = undefined;
    const closed = times("close", 3);
    way.cut();
    await closed;
    way.target = target;
    await times("connect", 1);
    expect(lines.map(({ msg }) => msg)).toEqual(["connected", "connection closed", "connected"]);
    expect(lines[0]?.broker).toBe(url.replace(":enigma", ""));
  } finally {
    await client?.endAsync(true);
    await way.close();
    await broker.close();
  }
});
