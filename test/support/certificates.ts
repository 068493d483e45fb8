/** Certificates for tests: src/explore/firmware/certificates.ts, which benches use, too. */
export * from "../../src/explore/firmware/certificates.ts";
