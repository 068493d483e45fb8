/** How much slower the interpreter is than the compiler, on this machine. */
import type { Bundle } from "../bundle/bundle.ts";
import type { EngineKind } from "../engine/engine.ts";
import { openEngine } from "../engine/open.ts";

/** Samples that let V8 optimise before anything is timed. */
const WARM_UP = 10;

export interface EngineTimes {
  /** Median milliseconds per image, every step included. */
  readonly wasm3: number;
  readonly v8: number;
  readonly ratio: number;
}

/**
 * Times both engines image by image in turn, so that what else the machine does falls on both alike.
 * @param images 8-bit integers (pixel - zero), CHW; at least one
 */
export function timeEngines(bundle: Bundle, images: readonly Int8Array[]): EngineTimes {
  const wasm3 = medianTimer(bundle, "wasm3");
  const v8 = medianTimer(bundle, "v8");
  for (let i = 0; i < WARM_UP; i++) v8.classify(images[i % images.length]!);
  v8.forget();
  for (const image of images) {
    wasm3.classify(image);
    v8.classify(image);
  }
  const times = { wasm3: wasm3.end(), v8: v8.end() };
  return { ...times, ratio: times.wasm3 / times.v8 };
}

/** With threshold 0 every sample takes every step. */
function medianTimer(bundle: Bundle, kind: EngineKind) {
  const engine = openEngine(bundle, kind, { threshold: 0 });
  const times: number[] = [];
  return {
    classify(image: Int8Array): void {
      const started = performance.now();
      engine.classify(image);
      times.push(performance.now() - started);
    },
    forget(): void {
      times.length = 0;
    },
    /** The median so far; closes the engine. */
    end(): number {
      engine.close();
      return times.sort((a, b) => a - b)[times.length >> 1]!;
    },
  };
}
