export * from "../../src/zoo/hybrid.ts";
