/** Real firmware in a fleet: a board in QEMU, or a device that is at the broker already, by itself or through a gateway. */
import { findBoard } from "../../boards/boards.ts";
import { requireEmulated } from "../../boards/flash-file.ts";
import { thresholdWord } from "../../engine/edge-engine.ts";
import { HedgeError } from "../../errors.ts";
import { type Lab, openLab } from "../../explore/firmware/lab.ts";
import { RemoteDevice } from "../../remote/remote-device.ts";
import { type Answer, EVENT_CODES } from "../../wire/device-frames.ts";
import type { Sample } from "../offload.ts";
import { deviceName } from "../spec.ts";
import type { Member } from "./member.ts";
import type { RealGroup } from "./real-group.ts";

/** Samples that firmware takes at a time: one that runs, two that wait (RemoteDevice keeps to it). */
const ROOM = 3;

export class FirmwareDevice implements Member {
  #lab: Lab | undefined;
  #device: RemoteDevice | undefined;
  #connecting: Promise<void> | undefined;
  #underWay = 0;
  #began = false;
  #closed = false;

  constructor(
    readonly group: RealGroup,
    readonly place: number,
  ) {}

  connect(): Promise<void> {
    this.#connecting = this.#connect();
    return this.#connecting;
  }

  async #connect(): Promise<void> {
    const { access, fleet } = this.group.world;
    const { spec, bundle } = this.group.group;
    const name = spec.firmware?.device ?? (await this.#startBoard(spec.firmware!.board!));
    this.#device = await RemoteDevice.overMqtt(access, name, {
      onEvent: ({ code }) => {
        if (code === EVENT_CODES.started && this.#began) void this.#restarted();
      },
    });
    const { model } = await this.#device.describe();
    if (model?.digest !== fleet.bundles[bundle]!.digest)
      throw new HedgeError(
        "input",
        `The device ${name} runs ${model === undefined ? "no model" : `another model, ${model.name}`}.`,
        `Install the group's bundle on it: hedge flash ${spec.bundle} --device ${name}.`,
      );
    await this.#setThreshold();
  }

  begin(): void {
    this.#began = true;
  }

  get up(): boolean {
    return this.#device !== undefined;
  }

  arrive(sample: Sample): void {
    if (this.#underWay >= ROOM + this.group.group.spec.queue) this.group.dropped("busy");
    else void this.#ask(sample);
  }

  async close(): Promise<void> {
    this.#closed = true;
    // Whoever waits for it hears what goes wrong.
    await this.#connecting?.catch(() => undefined);
    await this.#device?.close();
    await this.#lab?.close();
  }

  /** @returns its name at the broker */
  async #startBoard(kind: string): Promise<string> {
    const { access, fleet } = this.group.world;
    const { spec, firstDevice, bundle } = this.group.group;
    const board = requireEmulated(await findBoard(kind));
    if (!access.broker.startsWith("mqtt:"))
      throw new HedgeError(
        "usage",
        `The boards of a fleet do not reach a broker by TLS, as ${spec.name} would have to.`,
        "Start them with hedge board run --variant tls, and name them as the group's firmware.device.",
      );
    this.#lab = await openLab({
      board: board.name,
      bundle: fleet.bundles[bundle]!,
      // Boards without a network come to the broker through a gateway.
      transport: board.emulator.ethernet === undefined ? "uart" : "mqtt",
      broker: access.broker,
      id: deviceName(spec, this.place - firstDevice),
      config: {
        deadlineMs: spec.deadline,
        retryFirstMs: spec.backoff.first,
        retryLongestMs: Math.max(spec.backoff.first, spec.backoff.longest),
      },
    });
    return this.#lab.id;
  }

  /** The firmware's own is the model's, after each start. */
  async #setThreshold(): Promise<void> {
    const { threshold, manifest } = this.group.group;
    if (threshold !== manifest.exit.threshold) await this.#device!.setThreshold(thresholdWord(threshold));
  }

  async #restarted(): Promise<void> {
    this.group.rebooted();
    await this.#setThreshold().catch(() => undefined);
  }

  async #ask(sample: Sample): Promise<void> {
    this.#underWay++;
    try {
      const { buffer, byteOffset, byteLength } = this.group.input(sample);
      this.#take(sample, await this.#device!.sample(new Uint8Array(buffer, byteOffset, byteLength)));
    } catch (error) {
      if (!(error instanceof HedgeError)) this.group.world.fail(error);
      // It refused the sample; or it said nothing for a minute, having started again meanwhile.
      else if (!this.#closed) this.group.dropped(error.kind === "network" ? "reboot" : "busy");
    } finally {
      this.#underWay--;
    }
  }

  #take(sample: Sample, answer: Answer): void {
    if (answer.source === "edge") this.group.exited(sample, answer.label);
    else this.#takeOffloaded(sample, answer);
  }

  #takeOffloaded(sample: Sample, { source, label, attempts, edgeLabel, entropy }: Answer): void {
    const { group } = this;
    const name = this.#device!.name.length;
    // Not seen here, but known: what is counted are the sizes of such frames.
    for (let attempt = 1; attempt <= attempts; attempt++)
      group.offered(group.frames.offload(name, { session: 0, sample: 0, attempt, label: edgeLabel, entropy }));
    group.unsure();
    if (source === "cloud") {
      group.bytes(0, group.frames.result(name, true, 0, 0, label, 0));
      group.cloud(sample, label);
    } else group.fallback("deadline", sample, label);
  }
}
