/** Certificates for tests: src/explore/certificates.ts, which benches use, too. */
export * from "../../src/explore/certificates.ts";
