/** A mosquitto as `hedge acl` sets it up, those who work at it with real certificates, and an auditor who hears whatever it lets through. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, connectAsync, type IClientOptions, type MqttClient } from "mqtt";
import { writeAcl } from "../../acl/write.ts";
import {
  answerTopic,
  commandTopic,
  DEAD_TOPIC,
  eventTopic,
  OFFLOAD_FILTER,
  offloadTopic,
  ROOT,
  resultTopic,
  sharedOffloadFilter,
  statusTopic,
} from "../../wire/topics.ts";
import { authority, type Certificate, signedBy } from "../certificates.ts";
import { freePort, startMosquitto } from "../mosquitto.ts";

/** Who everybody is, by the names in the certificates. */
export const PORCH = "porch";
/** The device whose certificate is in the wrong hands. */
export const CELLAR = "cellar";
export const WORKER = "worker-1";
const OPERATOR = "ada";
const RECORDER = "archive";

export type Version = 4 | 5;
const RECORDED = [answerTopic("+"), eventTopic("+"), statusTopic("+"), DEAD_TOPIC];
const CLIENT = ["extendedKeyUsage=clientAuth"];

/** A connection and all that it heard: mqtt.js, without any help of ours. */
export class Party {
  /** Topics with what was said there. */
  readonly heard: { readonly topic: string; readonly text: string }[] = [];
  isGone = false;
  readonly #texts = new Set<string>();
  readonly #waiting = new Map<string, () => void>();

  constructor(
    readonly name: string,
    readonly client: MqttClient,
  ) {
    client.on("message", (topic, message) => {
      const text = message.toString("latin1");
      this.heard.push({ topic, text });
      this.#texts.add(text);
      this.#waiting.get(text)?.();
    });
    client.on("close", () => {
      this.isGone = true;
      for (const resolve of this.#waiting.values()) resolve();
    });
    client.on("error", () => undefined);
    if (client.stream instanceof Socket) client.stream.setNoDelay(true);
  }

  hears(text: string): boolean {
    return this.#texts.has(text);
  }

  /** Resolves when it hears that, or is gone. */
  async waitFor(text: string): Promise<void> {
    if (this.hears(text) || this.isGone) return;
    await new Promise<void>((resolve) => this.#waiting.set(text, resolve));
    this.#waiting.delete(text);
  }

  async say(topic: string, text: string, retain = false): Promise<void> {
    // What the broker thinks of it is no matter here: what others hear is.
    if (!this.isGone) await this.client.publishAsync(topic, text, { qos: 1, retain }).catch(() => undefined);
  }

  async end(): Promise<void> {
    await this.client.endAsync(true);
  }
}

export class AclScene {
  /** Those whom nobody may disturb. */
  #parties: Party[] = [];
  #number = 0;

  private constructor(
    private readonly folder: string,
    private readonly mosquitto: { url: string; close(): Promise<void> },
    private readonly port: number,
    private readonly group: string,
    private readonly signer: Certificate,
    private readonly auditor: Party,
    private readonly guarded: boolean,
  ) {}

  /** @param guarded false leaves the access list and the rule for client ids away: what is allowed then shows that attacks are seen */
  static async open(guarded: boolean): Promise<AclScene> {
    const folder = await mkdtemp(join(tmpdir(), "hedge-acl-"));
    const ca = await authority(folder, "authority");
    const server = await signedBy(ca, folder, "broker", ["subjectAltName=IP:127.0.0.1"]);
    const port = await freePort();
    const names = { worker: [WORKER], operator: [OPERATOR], recorder: [RECORDER] };
    const certificates = { ca: ca.certificate, cert: server.certificate, key: server.key };
    const files = { folder, names, broker: "mosquitto", port, host: "127.0.0.1", certificates } as const;
    const written = await writeAcl(files);
    const settings = (await readFile(written.settings, "utf8")).split("\n");
    const kept = guarded ? settings : settings.filter((line) => !/^(acl_file|use_username_as_clientid)/.test(line));
    // The keys are this process's own. The second listener knows no rights: the auditor's.
    const mosquitto = await startMosquitto(undefined, [], ["user root", ...kept]);
    const auditor = new Party("auditor", await connectAsync(mosquitto.url, { reconnectPeriod: 0 }));
    await auditor.client.subscribeAsync("#", { qos: 1 });
    const group = guarded ? (await readFile(written.group, "utf8")).trim() : "workers";
    return new AclScene(folder, mosquitto, port, group, ca, auditor, guarded);
  }

  async close(): Promise<void> {
    for (const party of [...this.#parties, this.auditor]) await party.end();
    await this.mosquitto.close();
    await rm(this.folder, { recursive: true, force: true });
  }

  /** A text that no message had before. */
  text(): string {
    return `text-${this.#number++}`;
  }

  /** A certificate of the scene's authority, or of another one. @param days below 0: expired */
  async certificate(name: string, { foreign = false, days = 10 } = {}): Promise<Certificate> {
    const folder = await mkdtemp(join(this.folder, "certificate-"));
    const signer = foreign ? await authority(folder, "stranger") : this.signer;
    return signedBy(signer, folder, name, CLIENT, days);
  }

  /** Connects with a certificate, or without; rejects when the broker does not want it. */
  async connect(own: Certificate | undefined, name: string, options: IClientOptions = {}): Promise<Party> {
    const ca = await readFile(this.signer.certificate);
    const pair = own && { cert: await readFile(own.certificate), key: await readFile(own.key) };
    const shared = { ca, ...pair, clientId: name, reconnectPeriod: 0, protocolVersion: 5 } as const;
    const client = connect(`mqtts://127.0.0.1:${this.port}`, { ...shared, ...options });
    await new Promise<void>((resolve, reject) => {
      client.once("connect", () => resolve()).once("error", reject);
      client.once("close", () => reject(new Error("The broker closed the connection.")));
    });
    return new Party(name, client);
  }

  /** Everybody at work, as they should be; who was thrown out comes back. */
  async gather(): Promise<void> {
    const filters: Readonly<Record<string, readonly string[]>> = {
      [PORCH]: [resultTopic(PORCH), commandTopic(PORCH)],
      [WORKER]: [sharedOffloadFilter(this.group), resultTopic(WORKER)],
      [OPERATOR]: [`${ROOT}/#`],
      // Its access list keeps the offloads from it, although it asks for them.
      [RECORDER]: [...RECORDED, resultTopic(RECORDER), ...(this.guarded ? [OFFLOAD_FILTER] : [])],
    };
    const there = new Map(this.#parties.filter(({ isGone }) => !isGone).map((party) => [party.name, party]));
    this.#parties = [];
    for (const [name, wanted] of Object.entries(filters)) {
      const party = there.get(name) ?? (await this.connect(await this.#own(name), name));
      if (!there.has(name)) await party.client.subscribeAsync([...wanted], { qos: 1 });
      this.#parties.push(party);
    }
  }

  readonly #certificates = new Map<string, Certificate>();
  async #own(name: string): Promise<Certificate> {
    const own = this.#certificates.get(name) ?? (await this.certificate(name));
    this.#certificates.set(name, own);
    return own;
  }

  /** Resolves when all that was said before has reached everybody whom it was to reach: the broker delivers to each in order. */
  async settle(...more: readonly Party[]): Promise<void> {
    const last = [...this.#parties, ...more].map((party) => ({
      party,
      topic: resultTopic(party.name),
      text: this.text(),
    }));
    await Promise.all(last.map(({ topic, text }) => this.auditor.say(topic, text)));
    for (const { party, text } of last) await party.waitFor(text);
    await this.auditor.waitFor(last.at(-1)!.text);
  }

  /** Whether the broker let a message with that text through, to whomever. */
  letThrough(text: string): boolean {
    return this.auditor.hears(text);
  }

  /**
   * A round of what everybody does all day. Returns what did not go as it should: who is gone, who did not hear what is his, who heard what is not.
   * @param eavesdropper may hear nothing of it
   */
  async day(eavesdropper?: Party): Promise<string[]> {
    const [porch, worker, operator, recorder] = this.#parties as [Party, Party, Party, Party];
    const heardBefore = eavesdropper?.heard.length ?? 0;
    const says: readonly (readonly [from: Party, topic: string, to: readonly Party[]])[] = [
      [porch, offloadTopic(PORCH), [worker, operator]],
      // Twice: a stranger among those who share would get one of two.
      [porch, offloadTopic(PORCH), [worker, operator]],
      [porch, answerTopic(PORCH), [operator, recorder]],
      [porch, eventTopic(PORCH), [operator, recorder]],
      [porch, statusTopic(PORCH), [operator, recorder]],
      [worker, resultTopic(PORCH), [porch, operator]],
      [worker, DEAD_TOPIC, [operator, recorder]],
      [worker, statusTopic(WORKER), [operator, recorder]],
      [operator, commandTopic(PORCH), [porch, operator]],
    ];
    const said = says.map((row) => [...row, this.text()] as const);
    await Promise.all(said.map(([from, topic, , text]) => from.say(topic, text)));
    await this.settle(...(eavesdropper ? [eavesdropper] : []));
    const wrong = this.#parties.filter(({ isGone }) => isGone).map(({ name }) => `${name} was thrown out`);
    for (const [from, topic, to, text] of said) {
      for (const party of this.#parties) {
        const should = to.includes(party);
        if (party.hears(text) !== should) {
          wrong.push(`${party.name} ${should ? "did not hear" : "heard"} what ${from.name} said on ${topic}`);
        }
      }
    }
    const foreign = eavesdropper?.heard.slice(heardBefore).find(({ topic }) => topic !== resultTopic(CELLAR));
    if (foreign) wrong.push(`${eavesdropper?.name} heard ${foreign.topic}`);
    return wrong;
  }

  /** The worker answers a device, and the operator commands it: the topics, and what was said. */
  async address(device: string): Promise<(readonly [topic: string, text: string])[]> {
    const [, worker, operator] = this.#parties as [Party, Party, Party];
    const said = [
      [worker, resultTopic(device), this.text()],
      [operator, commandTopic(device), this.text()],
    ] as const;
    for (const [from, topic, text] of said) await from.say(topic, text);
    return said.map(([, topic, text]) => [topic, text]);
  }

  /** Cuts a connection off as a power cut does, and resolves once the broker has noticed: it lets another of the same name in. */
  async cutOff(party: Party, own: Certificate): Promise<void> {
    party.client.stream.destroy();
    const heir = await this.connect(own, party.name);
    await heir.end();
    await this.settle();
  }

  /** Topics of retained messages, as somebody finds them who comes later. */
  async retained(): Promise<string[]> {
    const late = new Party("late", await connectAsync(this.mosquitto.url, { reconnectPeriod: 0 }));
    const text = this.text();
    // Retained messages come with the answer to the first, so before what is heard by the second.
    await late.client.subscribeAsync("#", { qos: 1 });
    await late.say("late", text);
    await late.waitFor(text);
    await late.end();
    return late.heard.map(({ topic }) => topic).filter((topic) => topic !== "late");
  }
}
