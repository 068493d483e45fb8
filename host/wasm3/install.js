/**
 * Builds the addon from wasm3's C sources with node-gyp; npm runs it as the package's install script.
 *
 * WASM3_SOURCE=dir builds against another checkout of wasm3 (the folder that holds wasm3.h).
 */
import { spawnSync } from "node:child_process";
import { existsSync, realpathSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const require = createRequire(import.meta.url);

/** @param {string} message */
function fail(message) {
  console.error(`@aspect/wasm3: ${message}`);
  process.exit(1);
}

/** The folder of wasm3's sources: WASM3_SOURCE, or the npm package that ships them. */
function sourceFolder() {
  const override = process.env.WASM3_SOURCE;
  // npm runs install scripts in the package's own folder; a relative path means the folder where npm was called.
  if (override) return resolve(process.env.INIT_CWD ?? process.cwd(), override);
  try {
    return join(dirname(require.resolve("react-native-webassembly/package.json")), "cpp");
  } catch {
    return fail("wasm3's sources are not installed; run npm ci with development dependencies, or set WASM3_SOURCE.");
  }
}

/** Headers beside the running node, so that node-gyp need not download them; undefined where there are none. */
function headerPrefix() {
  const prefix = dirname(dirname(realpathSync(process.execPath)));
  return existsSync(join(prefix, "include", "node", "node_api.h")) ? prefix : undefined;
}

const source = sourceFolder();
if (!existsSync(join(source, "wasm3.h")))
  fail(`there is no wasm3.h in ${source}; point WASM3_SOURCE at wasm3's source folder.`);

const prefix = headerPrefix();
const args = [
  require.resolve("node-gyp/bin/node-gyp.js"),
  "rebuild",
  ...(prefix ? [`--nodedir=${prefix}`] : []),
  "--",
  `-Dwasm3_source=${relative(here, realpathSync(source))}`,
];
const { status, error } = spawnSync(process.execPath, args, { cwd: here, stdio: "inherit" });
if (error) fail(`node-gyp could not be started: ${error.message}.`);
if (status !== 0)
  fail("the build failed; it needs a C compiler, make and Python 3 (Debian: apt-get install build-essential python3).");
