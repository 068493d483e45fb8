import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { hedge } from "../../test/support/in-process.ts";
import { EXIT_CODES, HedgeError } from "../errors.ts";
import { readWorkerConfig, withOptions } from "./config.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "hedge-config-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function fileOf(text: string): Promise<string> {
  const path = join(folder, "worker.yaml");
  await writeFile(path, text);
  return path;
}

const WHOLE = `
broker:
  url: mqtts://worker:secret@broker.example:8883
  ca: certs/ca.pem
  cert: certs/worker.pem
  key: /etc/worker-key.pem
name: w1
mode: shared
group: a-secret-one
bundles: [bundles/a, /srv/b]
store: bundles
models: { count: 4, bytes: 64MiB }
batching: { max: 8, delay: 2ms }
processes: 3
maxPending: 128
quota: { rate: 5, burst: 10 }
history: { url: "postgres://hedge:secret@db/hedge", retention: { age: 7d } }
http: "127.0.0.1:9464"
logLevel: warn
drain: 25s
`;

describe("worker.yaml", () => {
  it("may say everything, in units that people write; paths are relative to it", async () => {
    expect(await readWorkerConfig(await fileOf(WHOLE))).toEqual({
      broker: {
        url: "mqtts://worker:secret@broker.example:8883",
        ca: join(folder, "certs/ca.pem"),
        cert: join(folder, "certs/worker.pem"),
        key: "/etc/worker-key.pem",
      },
      ...{ name: "w1", mode: "shared", group: "a-secret-one" },
      ...{ bundles: [join(folder, "bundles/a"), "/srv/b"], store: join(folder, "bundles") },
      ...{ models: { count: 4, bytes: 64 * 2 ** 20 }, batching: { max: 8, delay: 2 }, processes: 3, maxPending: 128 },
      ...{ quota: { rate: 5, burst: 10 }, http: "127.0.0.1:9464", logLevel: "warn", drain: 25_000 },
      history: { url: "postgres://hedge:secret@db/hedge", retention: { age: 7 * 86_400_000 } },
    });
  });

  it("is as docs/cloud.md shows it", async () => {
    const page = await readFile(new URL("../../docs/cloud.md", import.meta.url), "utf8");
    const example = /^```yaml\n(.*?)^```$/ms.exec(page)?.[1] ?? "";
    expect(await readWorkerConfig(await fileOf(example))).toMatchObject({ drain: 20_000, http: "127.0.0.1:9464" });
  });

  it("may say nothing: then what the options leave out has its default", async () => {
    expect(await readWorkerConfig(await fileOf("# nothing yet\n"))).toEqual(withOptions(undefined, {}));
  });

  it.each([
    ["a key that is none", "brokre: {}", 'Unrecognized key: "brokre"'],
    ["a key of a part that is none", "quota: { rates: 5 }", 'quota: Unrecognized key: "rates"'],
    [
      "an address that is none",
      "broker: { url: http://x }",
      "broker.url: it is no address such as mqtt://127.0.0.1:1883",
    ],
    ["a certificate without its key", "broker: { cert: a.pem }", "broker: cert and key go together"],
    ["a name with a slash", "name: a/b", "name: it is not 1 to 23 letters"],
    ["a mode that is none", "mode: both", "mode: Invalid option"],
    ["a duration without its unit", "drain: 10", "drain: it is no duration such as 250ms"],
    ["a size without its unit", "models: { bytes: 100 }", "models.bytes: it is no size"],
    ["a delay that is too long", "batching: { delay: 1m }", "batching.delay: it is more than 10s"],
    ["a batch of nothing", "batching: { max: 0 }", "batching.max: Too small"],
    ["a rate below 0", "quota: { rate: -1 }", "quota.rate: Too small"],
    ["half a process", "processes: 0.5", "processes: Invalid input"],
    ["a history of nothing", "history: { url: h, retention: { age: 0 } }", "history.retention.age: it has to be more"],
    ["a port without an address", "http: 9464", "http: Invalid input"],
    ["a port that is none", "http: localhost:94640", "http: its port is above 65535"],
    ["a history nowhere", "history: { retention: { age: 1d } }", "history.url: Invalid input"],
    ["a list of one bundle that is none", "bundles: out/", "bundles: Invalid input"],
    ["text", "just text", "Invalid input: expected object"],
    ["several at once", "mode: both\nprocesses: 0\n", "; processes: Too small"],
    ["what is no YAML", "broker: {\n  url", "is not YAML"],
    ["aliases that stand for gigabytes", bomb(), "is not YAML: Excessive alias count"],
  ])("with %s is refused by file and key", async (_, text, sentence) => {
    const path = await fileOf(text);
    const error = await readWorkerConfig(path).catch((e) => e);
    expect(error).toBeInstanceOf(HedgeError);
    expect(error.kind).toBe("input");
    expect(error.message).toContain(path);
    expect(error.message).toContain(sentence);
    expect(error.remedy).not.toBe("");
  });

  it("is refused when it is missing or large", async () => {
    await expect(readWorkerConfig(join(folder, "none.yaml"))).rejects.toThrow("none.yaml does not exist.");
    await expect(readWorkerConfig(await fileOf(`# ${"x".repeat(2 << 20)}`))).rejects.toThrow("at most 1048576");
  });
});

function bomb(): string {
  const level = (i: number) =>
    `a${i}: &a${i} [${Array(9)
      .fill(`*a${i - 1}`)
      .join(", ")}]`;
  return ["a0: &a0 [x]", ...Array.from({ length: 12 }, (_, i) => level(i + 1))].join("\n");
}

describe("hedge worker --check", () => {
  it("shows what holds: options before the file, no secrets, in the form of the file", async () => {
    const file = await fileOf(WHOLE);
    const options = ["--name", "w2", "--max-batch", "4", "--drain", "1m", "--quota", "0", "bundles/c"];
    const { code, out } = await hedge("worker", "--check", "--config", file, ...options);
    expect(code).toBe(0);
    expect(out).not.toContain("secret");
    const shown = parse(out);
    expect(shown).toMatchObject({
      ...{
        name: "w2",
        group: "***",
        batching: { max: 4, delay: "2ms" },
        drain: "60000ms",
        quota: { rate: 0, burst: 10 },
      },
      ...{ bundles: ["bundles/c"], broker: { cert: join(folder, "certs/worker.pem") } },
      history: { retention: { age: "604800000ms" } },
    });
    const json = await hedge("--json", "worker", "--check", "--config", file, ...options);
    expect(JSON.parse(json.out)).toEqual(shown);
    // What it shows is a file again, but for what is secret.
    const again = await readWorkerConfig(await fileOf(out.replace(/^group: .*$/m, "")));
    expect(again).toMatchObject({ drain: 60_000, models: { bytes: 64 * 2 ** 20 }, batching: { max: 4, delay: 2 } });
  });

  it.each([
    [["--max-delay", "soon"], "batching.delay: it is no duration"],
    [["--http", "9464"], "http: it is no address such as 127.0.0.1:9464"],
    [["--drain", "10"], "drain: it is no duration"],
  ])("takes %s for a wrong option, not for a wrong file", async (options, sentence) => {
    const { code, err } = await hedge("worker", "--check", "--config", await fileOf(WHOLE), ...options);
    expect(code).toBe(EXIT_CODES.usage);
    expect(err).toContain(`The options are not right: ${sentence}`);
  });

  it.each([
    "broker: { url: mqtt://ada:enigma@host:99999 }",
    "broker: { url: mqtt://ada:enigma@host, ca: ca.pem }",
    'history: { url: "mysql://ada:enigma@host/db" }',
    'history: { url: "postgres://ada:enigma@host/db", retention: { bytes: 1GB } }',
    "store: ftp://ada:enigma@host/",
  ])("refuses %s, and repeats no password", async (line) => {
    const { code, out, err } = await hedge("worker", "out/", "--check", "--config", await fileOf(line));
    expect(code).toBe(EXIT_CODES.usage);
    expect(out + err).not.toContain("enigma");
  });

  it("shows no password that is a parameter of an address, and sizes with their unit", async () => {
    const history = 'history: { url: "postgres://ada@host/db?password=enigma" }';
    const { code, out } = await hedge("worker", "out/", "--check", "--config", await fileOf(history));
    expect(code).toBe(0);
    expect(out).not.toContain("enigma");
    const folder = await hedge(
      "worker",
      "out/",
      "--check",
      "--config",
      await fileOf("history: { url: h, retention: { bytes: 1GB } }"),
    );
    expect(await readWorkerConfig(await fileOf(folder.out))).toMatchObject({ history: { retention: { bytes: 1e9 } } });
  });

  it("needs a bundle or a store from one of them", async () => {
    const { code, err } = await hedge("worker", "--check", "--config", await fileOf("mode: single"));
    expect(code).toBe(EXIT_CODES.usage);
    expect(err).toContain("no bundle to serve");
    expect((await hedge("worker", "--check", "--store", "http://bundles.example/")).code).toBe(0);
  });
});

it("hedge schema fleet prints one of a fleet", async () => {
  const { code, out } = await hedge("schema", "fleet");
  expect(code).toBe(0);
  expect(JSON.parse(out)).toMatchObject({ title: "hedge fleet", properties: { groups: { type: "array" } } });
});

it("hedge schema worker prints a schema that knows every key", async () => {
  const { code, out } = await hedge("schema", "worker");
  expect(code).toBe(0);
  const { properties, additionalProperties } = JSON.parse(out);
  expect(additionalProperties).toBe(false);
  expect(Object.keys(properties)).toEqual(expect.arrayContaining(Object.keys(parse(WHOLE))));
  expect((await hedge("schema", "wroker")).code).toBe(EXIT_CODES.usage);
});
