/** Fetches the tarball of an npm package through npm itself, so that its registry, proxy and cache settings hold. */
import { spawn } from "node:child_process";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { HedgeError } from "../errors.ts";

const SECOND = 1_000;
const KEPT_OUTPUT = 16_384;

/**
 * Runs `npm pack`; no script of the package runs.
 * @param name with its version, such as "left-pad@1.3.0"
 * @param folder an existing, empty folder for the tarball
 * @param tick called each second
 * @returns path of the tarball
 * @throws HedgeError (network) when npm is missing or cannot fetch it
 */
export async function npmPack(name: string, folder: string, tick: () => void): Promise<string> {
  const args = [
    "pack",
    name,
    "--pack-destination",
    folder,
    "--ignore-scripts",
    "--fetch-retries=1",
    "--fetch-retry-mintimeout=500",
    "--loglevel=error",
  ];
  const child = spawn("npm", args, { cwd: folder, stdio: ["ignore", "ignore", "pipe"] });
  const timer = setInterval(tick, SECOND);
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said = (said + text).slice(-KEPT_OUTPUT);
  });
  const code = await new Promise<number | string>((resolve) => {
    child.on("error", (error) => resolve(error.message)).on("close", (code) => resolve(code ?? "a signal"));
  }).finally(() => clearInterval(timer));
  const tarball = (await readdir(folder)).find((file) => file.endsWith(".tgz"));
  if (code === 0 && tarball !== undefined) return join(folder, tarball);

  const reason = /^npm (?:error|ERR!) (?:code )?(.+)$/m.exec(said)?.[1] ?? String(code);
  throw new HedgeError(
    "network",
    `npm could not fetch ${name} (${reason}).`,
    `Check the network (npm ping), or fetch it elsewhere with \`npm pack ${name}\` and give the file with --tarball.`,
  );
}
