/** Schemas that several parts of a fleet's file share. */
import { z } from "zod";
import { duration, someDuration } from "../units.ts";

/** What is shown to people holds no control characters, which terminals obey. */
export const text = z
  .string()
  .min(1)
  .max(100)
  .regex(/^\P{Cc}*$/u, "it holds a control character");

/** Relative to the file that names it. */
export const path = z.string().min(1).max(4096);

const MOST_WINDOWS = 1000;

const scheduled = z
  .array(
    z.strictObject({
      at: duration.describe("From the start"),
      last: someDuration.describe("How long"),
    }),
  )
  .max(MOST_WINDOWS)
  .refine(
    (windows) => windows.every(({ at }, i) => i === 0 || at >= windows[i - 1]!.at + windows[i - 1]!.last),
    "they have to be in order, each behind the end of the one before",
  );

const random = z.strictObject({
  every: someDuration.describe("Mean time from the end of one to the start of the next"),
  last: someDuration.describe("Mean length"),
});

/** Times at which something is not there. */
export const outages = z
  .union([random, scheduled], { error: "give { every, last } for random ones, or a list of { at, last }" })
  .describe("Random ones ({ every, last }: exponentially distributed), or a list of { at, last }");
export type OutagesSpec = z.infer<typeof outages>;
