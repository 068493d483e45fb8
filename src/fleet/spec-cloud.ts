/** The worker tier in a fleet's file: what virtual time models of it. */
import { z } from "zod";
import { duration } from "../units.ts";
import { outages } from "./spec-parts.ts";

export const cloudSchema = z.strictObject({
  workers: z.int().min(1).max(10_000).default(1).describe("Workers that share the samples, one batch at a time each"),
  maxBatch: z.int().min(1).max(1024).default(32).describe("Most samples in a batch"),
  maxDelay: duration.prefault("0ms").describe("How long a batch that is not full waits for more"),
  batch: duration.prefault("2ms").describe("Time of a batch, however many samples are in it"),
  sample: duration.prefault("0.2ms").describe("Time of each sample in a batch, beside that"),
  latency: duration.prefault("1ms").describe("From the broker to a worker, and back: each way"),
  queue: z
    .int()
    .min(1)
    .max(10_000_000)
    .default(1064)
    .describe(
      "Frames that broker and worker hold for one worker; further ones are lost. mosquitto: 1000, and 64 in flight",
    ),
  outages: outages.optional().describe("Of workers. Random ones meet each worker by itself, listed ones all of them"),
  brokerOutages: outages
    .optional()
    .describe("Of the broker: no device is connected meanwhile, and what it held is lost"),
});
export type CloudSpec = z.infer<typeof cloudSchema>;
