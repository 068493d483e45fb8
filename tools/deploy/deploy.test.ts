/** The files for deployment: held against the schema, the command line and the metrics; and the mosquitto set-up, by hand. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseAllDocuments } from "yaml";
import { writeBundle } from "../../src/bundle/write.ts";
import { workerConfigSchema } from "../../src/cloud/config.ts";
import { METRICS } from "../../src/cloud/metrics.ts";
import { authority, signedBy } from "../../src/explore/certificates.ts";
import { checkYaml } from "../../src/yaml.ts";
import { freePort, startMosquitto } from "../../test/support/brokers.ts";
import { cutOff, startCli } from "../../test/support/built.ts";
import { hedge } from "../../test/support/in-process.ts";
import { offloadOf, offloadProbe } from "../../test/support/offload-probe.ts";
import { tinyHybrid } from "../../test/support/tiny-cloud.ts";

const FOLDER = import.meta.dirname;
const ROOT = join(FOLDER, "../..");
/** Milliseconds that a worker may take beside draining: its goodbye, and the history's last records. */
const BESIDE_DRAIN = 2_000 + 10_000;

/** What lies at a path such as spec.containers.0.args; undefined where there is nothing. */
const at = (tree: unknown, path: string): unknown =>
  path.split(".").reduce<unknown>((node, key) => (node as Record<string, unknown> | undefined)?.[key], tree);

/** Every document of a file; compose merges keys. */
function documents(file: string): unknown[] {
  const parsed = parseAllDocuments(readFileSync(join(FOLDER, file), "utf8"), { merge: true });
  for (const { errors, warnings } of parsed) expect([...errors, ...warnings]).toEqual([]);
  return parsed.map((document) => document.toJS());
}

const files = readdirSync(FOLDER, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".yaml"));
const all = files.flatMap((file) => documents(file).map((document) => ({ file, document })));
/** Of Kubernetes. */
const resource = (kind: string, name: string) =>
  all.find(({ document }) => at(document, "kind") === kind && at(document, "metadata.name") === name)?.document;
const pod = at(resource("StatefulSet", "worker"), "spec.template.spec");
const container = at(pod, "containers.0");
const secret = at(resource("Secret", "worker-config"), "stringData")!["worker.yaml" as never] as string;

let scratch: string;
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), "hedge-deploy-"));
});
afterAll(() => rm(scratch, { recursive: true, force: true }));

/** The configurations of workers by where they stand. */
const configs: Record<string, string> = {
  ...Object.fromEntries(
    ["mosquitto/worker.yaml", "emqx/worker.yaml"].map((file) => [file, readFileSync(join(FOLDER, file), "utf8")]),
  ),
  "kubernetes/worker.yaml": secret,
};

interface Service {
  readonly file: string;
  readonly name: string;
  readonly command: readonly string[];
  readonly grace: string;
}

/** Those of compose that run our image. */
const services = all
  .filter(({ file }) => file.endsWith("compose.yaml"))
  .flatMap(({ file, document }) =>
    Object.entries(at(document, "services") as object)
      .filter(([, service]) => service.image === "hedge")
      .map(([name, { command, stop_grace_period: grace }]): Service => ({ file, name, command, grace })),
  );
const workers = services.filter(({ name }) => name.startsWith("worker"));
const seconds = (text: string) => Number(/^(\d+)s$/.exec(text)?.[1]);

it("finds what it is about", () => {
  expect(files.length).toBeGreaterThanOrEqual(7);
  expect(services.map(({ name }) => name).sort()).toEqual(
    ["acl", "acl", "worker-1", "worker-1", "worker-2", "worker-2", "worker-3"].sort(),
  );
});

describe("configurations of workers", () => {
  it.each(Object.entries(configs))("%s passes the schema", (file, text) => {
    const config = checkYaml(text, file, workerConfigSchema, "worker");
    expect(config).toMatchObject({ mode: "shared", store: expect.anything(), http: expect.stringMatching(/:9464$/) });
  });

  it("end within the time that they are given", () => {
    const drainOf = (text: string) => checkYaml(text, "", workerConfigSchema, "worker").drain;
    for (const { file, grace } of workers) {
      const config = configs[file.replace("compose", "worker")] as string;
      expect(1000 * seconds(grace)).toBeGreaterThan(drainOf(config) + BESIDE_DRAIN);
    }
    expect(1000 * Number(at(pod, "terminationGracePeriodSeconds"))).toBeGreaterThan(drainOf(secret) + BESIDE_DRAIN);
  });
});

describe("command lines", () => {
  const local = (file: string, args: readonly string[]) =>
    args.map((arg) => (arg.endsWith("worker.yaml") ? resolve(FOLDER, file) : arg));

  it.each(workers)("$file: $name", async ({ file, command }) => {
    const { code, err } = await hedge("--json", ...local(file.replace("compose", "worker"), command), "--check");
    expect([code, err]).toEqual([0, ""]);
  });

  it("of the pods", async () => {
    const config = join(scratch, "pods.yaml");
    await writeFile(config, secret);
    const args = at(container, "args") as readonly string[];
    const { code, err } = await hedge("--json", ...local(config, args), "--check");
    expect([code, err]).toEqual([0, ""]);
  });

  it.each(services.filter(({ name }) => name === "acl"))("$file: acl writes the list", async ({ file, command }) => {
    const output = join(scratch, file.replace("/", "-"));
    const args = command.map((arg, i) => (command[i - 1] === "--out" ? output : arg));
    expect(await hedge(...args)).toMatchObject({ code: 0, err: "" });
    expect(readdirSync(output).sort()).toEqual(["hedge.acl", "hedge.conf", "worker-group"]);
  });

  it("of the probes", () => {
    expect(secret).toContain(`:${at(container, "ports.0.containerPort")}`);
    const probes = ["startupProbe", "livenessProbe", "readinessProbe"];
    expect(probes.map((probe) => at(container, `${probe}.httpGet.path`))).toEqual(["/health", "/health", "/ready"]);
  });
});

it("queries name metrics that there are", () => {
  const triggers = at(resource("ScaledObject", "worker"), "spec.triggers") as readonly unknown[];
  const queries = triggers.map((trigger) => at(trigger, "metadata.query"));
  const names = queries.flatMap((query) => [...String(query).matchAll(/\bhedge_\w+/g)].map(([name]) => name));
  expect(names.length).toBeGreaterThanOrEqual(4);
  for (const name of names) {
    const base = name.replace(/_(sum|count|bucket)$/, "");
    expect(METRICS).toHaveProperty(base);
    if (base !== name) expect(METRICS[base as keyof typeof METRICS].type).toBe("histogram");
  }
});

it("the image is built from what is there, and starts the command line", () => {
  const lines = readFileSync(join(FOLDER, "Dockerfile"), "utf8").split("\n");
  const copied = lines.filter((line) => /^COPY (?!--from)/.test(line)).flatMap((line) => line.split(" ").slice(1, -1));
  expect(copied.length).toBeGreaterThanOrEqual(5);
  for (const name of copied) expect(existsSync(join(ROOT, name))).toBe(true);
  const kept = readFileSync(join(FOLDER, "Dockerfile.dockerignore"), "utf8").split("\n");
  for (const name of copied) expect(kept).toContain(`!${name}`);
  const { bin, scripts } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  expect(lines).toContain(`ENTRYPOINT ["node", "/hedge/${bin.hedge}"]`);
  expect(scripts).toHaveProperty("build");
});

it("the set-up for mosquitto works, but for the containers", async () => {
  const certs = join(scratch, "certs");
  const broker = join(scratch, "broker");
  const store = join(scratch, "bundles");
  await mkdir(certs);
  const ca = await authority(certs, "ca");
  for (const name of ["broker", "worker-1", "worker-2", "worker-3"]) {
    await signedBy(ca, certs, name, ["subjectAltName=DNS:mosquitto,DNS:localhost"]);
  }
  const bundle = await tinyHybrid();
  await writeBundle(join(store, bundle.digest), bundle);
  // What lies elsewhere in the containers.
  const here = (text: string) =>
    text
      .replaceAll("/mosquitto/certs", certs)
      .replaceAll("/mosquitto/hedge", broker)
      .replaceAll("/etc/hedge/certs", certs);
  const ours = services.filter(({ file }) => file.startsWith("mosquitto"));
  const acl = ours.find(({ name }) => name === "acl")?.command as readonly string[];
  const secure = await freePort();
  expect(await hedge(...acl.map(here), "--port", String(secure), "--host", "127.0.0.1")).toMatchObject({ code: 0 });
  const settings = (await readFile(join(broker, "hedge.conf"), "utf8")).split("\n");
  // A second listener, for the one who offers samples here.
  // Started by root it would go on as a user who may not read what lies here.
  const mosquitto = await startMosquitto(undefined, [], ["user root", ...settings]);
  const probe = await offloadProbe(mosquitto.url);
  const children = [];
  try {
    const group = (await readFile(join(broker, "worker-group"), "utf8")).trim();
    const others = ["--broker", `mqtts://localhost:${secure}`, "--tls-ca", join(certs, "ca.crt"), "--group", group];
    for (const { name, command } of ours.filter((service) => service.command !== acl)) {
      const config = join(FOLDER, "mosquitto/worker.yaml");
      const args = command.map(here).map((arg) => (arg.endsWith("worker.yaml") ? config : arg));
      const { child, line } = await startCli(["--json", ...args, ...others, "--store", store, "--http", "127.0.0.1:0"]);
      children.push(child);
      // Each has the name of its certificate.
      expect(JSON.parse(line)).toMatchObject({ ready: true, name, mode: "shared" });
    }
    for (let i = 0; i < 60; i++) await probe.offer(offloadOf(bundle, i));
    await probe.until(() => probe.results.length === 60);
    expect(new Set(probe.results.map(({ state }) => state))).toEqual(new Set(["answered"]));
    expect(new Set(probe.results.map(({ worker }) => worker))).toEqual(new Set(["worker-1", "worker-2", "worker-3"]));
  } finally {
    await Promise.all(children.map(cutOff));
    await probe.close();
    await mosquitto.close();
  }
});
