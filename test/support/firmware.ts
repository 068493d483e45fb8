/** The firmware on this machine: src/explore/firmware/host-programs.ts, which benches use, too. */
export * from "../../src/explore/firmware/host-programs.ts";
