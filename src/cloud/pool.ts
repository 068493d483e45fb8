/**
 * The processes that run cloud parts: who is free, who died and is to be replaced.
 */
import { HedgeError } from "../errors.ts";
import { type CloudModel, Member, type MemberLimits } from "./member.ts";

/** Milliseconds before a process is replaced: the first at once, then doubled with each one that dies before a batch is done. */
const FIRST_PAUSE = 50;
const LONGEST_PAUSE = 5_000;

export class Pool {
  readonly #starting = new Set<Member>();
  readonly #members = new Set<Member>();
  #idle: Member[] = [];
  /** What a new process loads before it takes a batch. */
  readonly #models = new Set<CloudModel>();
  /** In a row, without a batch done in between. */
  #deathsInRow = 0;
  readonly #replacements = new Set<NodeJS.Timeout>();
  #closed = false;
  /** Processes that died and were, or will be, replaced. */
  deaths = 0;

  /** `onIdle` hears of each process that becomes free. */
  constructor(
    readonly size: number,
    private readonly limits: MemberLimits,
    private readonly onIdle: () => void,
  ) {}

  /** Starts its processes. @throws HedgeError (input) when they do not come up; then it is closed */
  async open(): Promise<void> {
    try {
      await Promise.all(Array.from({ length: this.size }, () => this.#start()));
    } catch (cause) {
      await this.close();
      throw new HedgeError(
        "input",
        `The processes that run cloud parts do not start: ${(cause as Error).message}.`,
        "Check that onnxruntime-node is installed and that there is memory for them.",
        { cause },
      );
    }
  }

  /** Processes that are up, at work or not. */
  get alive(): number {
    return this.#members.size;
  }

  get idle(): number {
    return this.#idle.length;
  }

  /** A free process, rather one that has the model; the caller gives it back. */
  claim(model: CloudModel): Member | undefined {
    const at = this.#idle.findLastIndex((member) => member.has(model));
    return at < 0 ? this.#idle.pop() : this.#idle.splice(at, 1)[0];
  }

  /** Gives back a process that `claim` gave and that has not died. */
  release(member: Member): void {
    this.#deathsInRow = 0;
    this.#free(member);
  }

  /** Loads the model in all processes that are free, and in those to come. */
  async preload(model: CloudModel): Promise<void> {
    this.#models.add(model);
    const members = this.#idle.splice(0);
    await Promise.all(members.map((member) => this.#load(member, [model])));
  }

  /** Has all processes let the model go; none may be at work on it. */
  drop(model: CloudModel): void {
    this.#models.delete(model);
    for (const member of this.#members) member.drop(model);
  }

  /** Ends the processes, whatever they do. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const pause of this.#replacements) clearTimeout(pause);
    await Promise.all([...this.#starting, ...this.#members].map((member) => member.kill()));
  }

  async #start(): Promise<void> {
    const member = new Member(this.limits);
    this.#starting.add(member);
    try {
      await member.ready();
    } finally {
      this.#starting.delete(member);
    }
    this.#members.add(member);
    member.ended.then(() => {
      this.#members.delete(member);
      this.#idle = this.#idle.filter((other) => other !== member);
      this.#replace();
    });
    await this.#load(member, this.#models);
  }

  async #load(member: Member, models: Iterable<CloudModel>): Promise<void> {
    // What speaks against a model, or ends the process over it, is heard where it is run.
    for (const model of models) await member.load(model).catch(() => undefined);
    this.#free(member);
  }

  #free(member: Member): void {
    if (!this.#members.has(member)) return;
    this.#idle.push(member);
    this.onIdle();
  }

  #replace(): void {
    if (this.#closed) return;
    this.deaths++;
    const pause = this.#deathsInRow === 0 ? 0 : Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** this.#deathsInRow);
    this.#deathsInRow++;
    const timer = setTimeout(() => {
      this.#replacements.delete(timer);
      // One that does not come up is replaced again.
      this.#start().catch(() => this.#replace());
    }, pause);
    this.#replacements.add(timer);
  }
}
