import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    setupFiles: ["./vitest.setup.ts"],
    include: ["src/**/*.test.ts", "test/**/*.test.ts", "host/**/*.test.ts", "tools/**/*.test.ts"],
    // For a machine that is busy with something else; a test that hangs still ends.
    testTimeout: 240_000,
    hookTimeout: 240_000,
    maxWorkers: 2,
  },
});
