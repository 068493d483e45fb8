/** A fleet's result made by hand: small numbers of which every sum can be checked, with all that a report can show. */
import type { Distribution, FleetResult, RunCost, Tally } from "../../src/fleet/result.ts";

/** Counts that add up, different for every `scale`. */
export function tallyOf(scale: number): Tally {
  return {
    arrivals: 100 * scale,
    dropped: { battery: scale, reboot: 2 * scale, busy: 3 * scale },
    exited: 40 * scale,
    cloud: 44 * scale,
    fallback: { deadline: 4 * scale, expired: 3 * scale, refused: 2 * scale, lost: scale },
    right: { exited: 36 * scale, cloud: 41 * scale, fallback: 5 * scale },
    frames: 60 * scale,
    bytesUp: 120_000 * scale,
    bytesDown: 6_000 * scale,
  };
}

/** Of values spread evenly between two. */
export function evenly(from: number, to: number, count = 1_000): Distribution {
  const at = (share: number) => from + (to - from) * share;
  return {
    count,
    mean: at(0.5),
    p50: at(0.5),
    p90: at(0.9),
    p99: at(0.99),
    max: to,
    quantiles: Array.from({ length: 101 }, (_, i) => at(i / 100)),
  };
}

const LABELS = ["airplane", "automobile", "bird", "cat"];

export function handMadeResult(): FleetResult {
  const group = (name: string, scale: number): FleetResult["groups"][number] => ({
    name,
    devices: 50 * scale,
    engine: "wasm3",
    model: { name: "resnet20-12e6c-2bit", digest: "d7396a08".repeat(8) },
    threshold: 0.55,
    tally: tallyOf(6 * scale),
    intervals: [1, 2, 3].map((i) => tallyOf(i * scale)),
    latency: { edge: evenly(900, 1_000), cloud: evenly(1_000, 4_000 * scale) },
    classes: LABELS.map((label, i) => ({
      label,
      samples: (100 + i) * scale,
      exited: (40 + 5 * i) * scale,
      right: (80 + 3 * i) * scale,
    })),
    energy: {
      inference: 3 * scale,
      radio: 2 * scale,
      sleep: 0.5 * scale,
      total: evenly(4 * scale, 7 * scale),
      batteryDays: evenly(200, 900),
      empty: scale - 1,
    },
    reboots: 7 * scale,
  });
  return {
    format: "hedge-fleet-result",
    version: 1,
    program: "hedge 0.1.0",
    name: "porch-cameras",
    spec: "0123456789abcdef".repeat(4),
    seed: 7,
    time: "virtual",
    inference: "each",
    duration: 5_400,
    devices: 150,
    groups: [group("porch", 1), group("garden", 2)],
    total: tallyOf(18),
    latency: { edge: evenly(900, 1_000, 7_200), cloud: evenly(1_000, 8_000, 7_920) },
    intervals: [1, 2, 3].map((i) => ({
      from: (i - 1) * 1_800,
      to: i * 1_800,
      tally: tallyOf(3 * i),
      latency: { count: 132 * i, mean: 1_500, p50: 1_400 * i, p90: 2_000 * i, p99: 3_000 * i, max: 3_500 * i },
      queue: { mean: 0.5 * i, max: 4 * i },
      up: 150 - i,
    })),
    cloud: {
      batches: 400,
      samples: 840,
      wait: { count: 840, mean: 2, p50: 1, p90: 4, p99: 9, max: 12 },
      busy: 0.21,
    },
  };
}

/** What it cost, on a machine of nobody's. */
export const HAND_MADE_COST: RunCost = {
  seconds: 12,
  cpuSeconds: 20,
  inferences: 1_800,
  inferencesPerSecond: 150,
  devicesPerSecond: 12.5,
  rss: 200e6,
  rssPerDevice: 22_000,
  images: 190e6,
  threads: 2,
};
