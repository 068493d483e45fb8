/** Devices that are alike, in a fleet's file. */
import { z } from "zod";
import { bitRate, duration, energy, power, ppm, share, someDuration } from "../units.ts";
import { outages, path, text } from "./spec-parts.ts";

/** A device's name is its group's and a number, and an MQTT client id: at most 23 characters. */
const GROUP_NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,15}$/;
const MOST_PER_GROUP = 999_999;

/** Classes that a device sees, and the Dirichlet distribution's parameter, where a shard does not say. */
export const DEFAULT_CLASSES = 2;
export const DEFAULT_ALPHA = 0.5;

const drift = z
  .strictObject({
    from: duration.describe("When it begins"),
    until: duration.optional().describe("When it is complete; where absent, it is sudden"),
    set: path.optional().describe("Other samples to end with; where absent, another mix of classes by the same law"),
  })
  .refine(({ from, until = from }) => until >= from, "it is complete before it begins");

const dataObject = z
  .strictObject({
    set: path.optional().describe("Labelled samples: a folder of images or a file of records"),
    shard: z
      .enum(["iid", "by-class", "skew"])
      .default("iid")
      .describe("iid: drawn from all; by-class: each device sees a few classes; skew: each has its own mix of classes"),
    classes: z
      .int()
      .min(1)
      .max(1000)
      .optional()
      .describe(`by-class: how many a device sees; default ${DEFAULT_CLASSES}`),
    alpha: z
      .number()
      .positive()
      .max(1000)
      .optional()
      .describe(`skew: of the Dirichlet distribution; small: one class prevails; default ${DEFAULT_ALPHA}`),
    drift: drift.optional().describe("The share of samples drawn anew grows from none to all"),
  })
  .superRefine(({ shard, classes, alpha, drift }, context) => {
    const flaw = (key: string, message: string) => context.addIssue({ code: "custom", path: [key], message });
    if (classes !== undefined && shard !== "by-class") flaw("classes", "it belongs to `shard: by-class`");
    if (alpha !== undefined && shard !== "skew") flaw("alpha", "it belongs to `shard: skew`");
    if (drift && shard === "iid" && drift.set === undefined)
      flaw("drift", "samples of all classes alike drift to other samples only: name a `set`");
  });
export type DataSpec = z.infer<typeof dataObject>;

const arrivals = z.discriminatedUnion("kind", [
  z
    .strictObject({
      kind: z.literal("periodic").describe("At a steady pace"),
      every: someDuration.describe("From one sample to the next"),
      jitter: duration.prefault("0ms").describe("Each is early or late by up to this"),
      phase: duration.optional().describe("Of the first; where absent, each device has its own, at random"),
    })
    .refine(({ every, jitter }) => jitter <= every / 2, {
      path: ["jitter"],
      message: "it is more than half of `every`",
    }),
  z.strictObject({
    kind: z.literal("poisson").describe("At any time, each without regard to the others"),
    every: someDuration.describe("Mean time between samples"),
  }),
  z.strictObject({
    kind: z
      .literal("bursts")
      .describe("Many, then none: a Poisson process that is on and off for exponentially distributed times"),
    every: someDuration.describe("Mean time between samples within a burst"),
    on: someDuration.describe("Mean length of a burst"),
    off: someDuration.describe("Mean time between bursts"),
  }),
]);
export type ArrivalsSpec = z.infer<typeof arrivals>;

const link = z.strictObject({
  latency: duration.prefault("20ms").describe("Between device and broker, each way"),
  jitter: duration.prefault("0ms").describe("Added to each frame's latency: at random up to this"),
  bandwidth: z
    .union([
      bitRate,
      z.strictObject({
        up: bitRate.describe("From the device to the broker"),
        down: bitRate.describe("From the broker to the device"),
      }),
    ])
    .transform((rate) => (typeof rate === "number" ? { up: rate, down: rate } : rate))
    .optional()
    .describe("Each way, or { up, down }; where absent, frames take no time beside the latency"),
  loss: share.prefault(0).describe("Of frames, each way"),
  outages: outages.optional().describe("The device is not connected"),
});
export type LinkSpec = z.infer<typeof link>;

const energySpec = z.strictObject({
  active: power.describe("While the module runs"),
  sleep: power.describe("Else"),
  radioByte: energy.prefault("0J").describe("Of each byte sent or received"),
  radioWake: energy.prefault("0J").describe("Of waking the radio"),
  radioAwake: duration.prefault("1s").describe("After a frame the radio stays awake so long"),
});
export type EnergySpec = z.infer<typeof energySpec>;

const battery = z.strictObject({
  capacity: energy.refine((joules) => joules > 0, "it has to be more than 0").describe("When it is full"),
  level: share.prefault("100%").describe("At the start"),
  selfDischarge: share.prefault(0).describe("Of the capacity in 30 days"),
  harvest: power.prefault("0W").describe("What charges it, all the time"),
  restart: share.prefault("5%").describe("Level at which a device that went empty starts again"),
});
export type BatterySpec = z.infer<typeof battery>;

const clock = z.strictObject({
  offset: duration.prefault("0ms").describe("Wrong by up to this, either way, when it was set"),
  drift: ppm.prefault("0ppm").describe("Too fast or slow by up to this"),
  sync: someDuration.optional().describe("It is set so often; where absent, at the start only"),
});
export type ClockSpec = z.infer<typeof clock>;

const backoff = z.strictObject({
  first: someDuration.prefault("500ms").describe("From the first offer to the second; then twice that, and so on"),
  longest: someDuration.prefault("8s").describe("At most so long"),
});

const inferenceTime = z
  .union([
    someDuration,
    z.strictObject({
      exit: someDuration.describe("Of a sample that ends at the exit"),
      full: someDuration.describe("Of one that goes to the cloud"),
    }),
  ])
  .transform((time) => (typeof time === "number" ? { exit: time, full: time } : time))
  .refine(({ exit, full }) => exit <= full, "a sample that ends at the exit takes longer than one that does not");

const firmware = z
  .strictObject({
    board: text.optional().describe("A board that QEMU shows, as `hedge board` knows it"),
    device: text
      .optional()
      .describe("The name of a device that is at the broker already, by itself or through a gateway"),
  })
  .refine(({ board, device }) => (board === undefined) !== (device === undefined), "give either a board or a device");

export const groupSchema = z
  .strictObject({
    name: z
      .string()
      .regex(GROUP_NAME, 'it is no name of 1 to 16 letters, digits, "-" and "_", a letter or digit first')
      .describe("Devices are called by it and a number: porch-0, porch-1, ..."),
    count: z.int().min(1).max(MOST_PER_GROUP).default(1).describe("How many devices"),
    bundle: path.describe("Folder that hedge compile wrote"),
    threshold: z.number().nonnegative().optional().describe("Of the exit, in nats; default: the bundle's"),
    board: text.optional().describe("Whose clock gives the time of an inference; default stm32f4-discovery"),
    inferenceTime: inferenceTime.optional().describe("Instead of a board: of the whole module, or { exit, full }"),
    data: z
      .union([path.transform((set): z.input<typeof dataObject> => ({ set })).pipe(dataObject), dataObject])
      .prefault({})
      .describe("Its samples: a path, or how devices share them"),
    arrivals: arrivals.prefault({ kind: "periodic", every: "1m" }).describe("When a device takes a sample"),
    queue: z
      .int()
      .min(0)
      .max(1000)
      .default(4)
      .describe("Samples that wait while the module is busy; further ones are dropped"),
    link: link.prefault({}).describe("To the broker"),
    energy: energySpec.optional().describe("What a device uses; where absent, it is not reckoned"),
    battery: battery.optional().describe("Where absent, a device has power for ever"),
    clock: clock.prefault({}).describe("The device's, by which it writes deadlines; workers' clocks are right"),
    reboots: z
      .strictObject({
        every: someDuration.describe("Mean time"),
        take: duration.prefault("2s").describe("Until it runs again"),
      })
      .optional()
      .describe("At random"),
    deadline: someDuration.prefault("10s").describe("From the exit's answer to when the cloud's is of no more use"),
    maxInFlight: z.int().min(1).max(64).default(8).describe("Samples that wait for the cloud; the module waits beyond"),
    backoff: backoff.prefault({}).describe("Between offers of a sample"),
    firmware: firmware.optional().describe("Real time only: real firmware instead of devices on this host"),
  })
  .superRefine(({ board, inferenceTime, battery, energy, firmware, count }, context) => {
    const flaw = (key: string, message: string) => context.addIssue({ code: "custom", path: [key], message });
    if (board !== undefined && inferenceTime !== undefined) flaw("inferenceTime", "give either a board or a time");
    if (battery && !energy) flaw("battery", "what empties it is in `energy`: give that too");
    if (firmware?.device !== undefined && count !== 1) flaw("count", "a device that is there already is one");
  });
