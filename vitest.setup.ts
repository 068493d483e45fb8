/** Property tests draw the same cases on every run, so that a failure is a defect of the change at hand; HEDGE_SEED draws others. */
import fc from "fast-check";

const seed = Number(process.env.HEDGE_SEED ?? 1);
fc.configureGlobal({ seed });
