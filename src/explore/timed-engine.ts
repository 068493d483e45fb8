/** An engine that also measures how long its steps take. */
import type { Manifest } from "../bundle/manifest.ts";
import type { EdgeResult, Engine, EngineKind, EngineMemory } from "../engine/engine.ts";

/** Milliseconds. */
export interface StepTimes {
  /** Steps run. */
  count: number;
  total: number;
  longest: number;
}

export class TimedEngine implements Engine {
  readonly times: StepTimes = { count: 0, total: 0, longest: 0 };

  constructor(private readonly engine: Engine) {}

  get kind(): EngineKind {
    return this.engine.kind;
  }

  get manifest(): Manifest {
    return this.engine.manifest;
  }

  get memory(): EngineMemory {
    return this.engine.memory;
  }

  get threshold(): number {
    return this.engine.threshold;
  }

  set threshold(nats: number) {
    this.engine.threshold = nats;
  }

  begin(input: Int8Array): void {
    this.engine.begin(input);
  }

  step(): boolean {
    const started = performance.now();
    const done = this.engine.step();
    const took = performance.now() - started;
    this.times.count++;
    this.times.total += took;
    this.times.longest = Math.max(this.times.longest, took);
    return done;
  }

  result(): EdgeResult {
    return this.engine.result();
  }

  classify(input: Int8Array): EdgeResult {
    this.begin(input);
    while (!this.step());
    return this.result();
  }

  peek(address: number, bytes: number): Uint8Array {
    return this.engine.peek(address, bytes);
  }

  close(): void {
    this.engine.close();
  }
}
