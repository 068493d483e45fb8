import { once } from "node:events";
import { mkdir, mkdtemp, readdir, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { createServer, type RequestListener } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { cloudBundle } from "../../test/support/cloud-parts.ts";
import type { Bundle } from "../bundle/bundle.ts";
import { LIMITS } from "../bundle/manifest.ts";
import { HedgeError } from "../errors.ts";
import { serveBundles } from "./bundle-server.ts";
import { FolderStore } from "./folder-store.ts";
import { openBundleStore } from "./open-store.ts";

let folder: string;
let bundle: Bundle;
const cleanups: (() => Promise<unknown>)[] = [];
beforeEach(async () => {
  folder = join(await mkdtemp(join(tmpdir(), "hedge-store-")), "store");
  bundle = await cloudBundle("good");
  cleanups.push(() => rm(join(folder, ".."), { recursive: true }));
});
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const refusal = (work: Promise<unknown>) =>
  work.then(
    () => expect.unreachable("it was accepted"),
    (error) => {
      expect(error).toBeInstanceOf(HedgeError);
      return error as HedgeError;
    },
  );
const open = {
  folder: async () => openBundleStore(folder),
  http: async () => {
    const server = await serveBundles({ folder });
    cleanups.push(() => server.close());
    return openBundleStore(server.url);
  },
};

describe.each(["folder", "http"] as const)("a bundle store (%s)", (kind) => {
  it("lists what was added, and gives it by digest", async () => {
    const other = await cloudBundle("good", 1);
    const writer = new FolderStore(folder);
    await writer.add(other);
    await writer.add(bundle);
    await writer.add(bundle);
    const store = await open[kind]();
    expect(await store.list()).toEqual(
      [bundle, other].map(({ digest, manifest, edgeWasm, weights, cloudOnnx }) => {
        return { digest, name: manifest.name, bytes: edgeWasm.length + weights.length + cloudOnnx!.length };
      }),
    );
    expect(await store.read(bundle.digest)).toEqual(bundle);
    expect(await store.read("5e".repeat(32))).toBeUndefined();
    await writer.remove(bundle.digest);
    expect(await store.read(bundle.digest)).toBeUndefined();
    expect(await writer.remove(bundle.digest)).toBe(false);
    expect(await readdir(folder)).toEqual([other.digest]);
  });

  it("has nothing under what is no digest", async () => {
    await new FolderStore(folder).add(bundle);
    const store = await open[kind]();
    for (const name of ["", "..", `../store/${bundle.digest}`, bundle.digest.toUpperCase(), `${bundle.digest}/`]) {
      expect(await store.read(name)).toBeUndefined();
    }
  });

  it.each([
    [
      "one byte was changed",
      (path: string) =>
        writeFile(
          path,
          bundle.cloudOnnx!.map((b, i) => (i === 99 ? b ^ 1 : b)),
        ),
    ],
    ["the end is missing", (path: string) => truncate(path, bundle.cloudOnnx!.length - 1)],
    ["there is more", (path: string) => truncate(path, bundle.cloudOnnx!.length + 1)],
    ["there is far more", (path: string) => truncate(path, LIMITS["cloud.onnx"] + 1)],
  ])("refuses a bundle of which %s", async (_, damage) => {
    await new FolderStore(folder).add(bundle);
    await damage(join(folder, bundle.digest, "cloud.onnx"));
    const error = await refusal((await open[kind]()).read(bundle.digest));
    expect(error.message).toContain("cloud.onnx");
    // What is damaged is replaced by adding it again.
    await new FolderStore(folder).add(bundle);
    expect(await (await open[kind]()).read(bundle.digest)).toEqual(bundle);
  });

  it("refuses a bundle that lies under another's digest, and does not list it", async () => {
    await new FolderStore(folder).add(bundle);
    const claimed = "5e".repeat(32);
    await symlink(join(folder, bundle.digest), join(folder, claimed));
    const store = await open[kind]();
    expect((await refusal(store.read(claimed))).message).toContain("another digest");
    expect((await store.list()).map(({ digest }) => digest)).toEqual([bundle.digest]);
  });
});

describe("a folder of bundles", () => {
  it("finds a digest by its first digits", async () => {
    const store = new FolderStore(folder);
    await store.add(bundle);
    expect(await store.find(bundle.digest.slice(0, 8))).toBe(bundle.digest);
    for (const digits of [bundle.digest.slice(0, 7), "5e5e5e5e", "..", ""]) {
      expect((await refusal(store.find(digits))).kind).toBe("usage");
    }
    expect((await refusal(store.find(bundle.digest.slice(0, 7)))).message).toContain("too short");
  });

  it("that is not there is said to be missing", async () => {
    expect((await refusal(openBundleStore(folder).list())).message).toContain(folder);
    expect((await refusal(serveBundles({ folder }))).message).toContain(folder);
  });
});

describe("the server of a bundle store", () => {
  it("gives parts of bundles and nothing else", async () => {
    await new FolderStore(folder).add(bundle);
    await writeFile(join(folder, "secret.txt"), "secret");
    await writeFile(join(folder, bundle.digest, "slot.bin"), "secret");
    await writeFile(join(folder, "..", "manifest.json"), "secret");
    await mkdir(join(folder, "5e".repeat(32), "manifest.json"), { recursive: true });
    const server = await serveBundles({ folder });
    cleanups.push(() => server.close());
    const { port } = new URL(server.url);
    // By hand, because clients tidy paths up.
    const ask = async (line: string) => {
      const socket = connect(Number(port), "127.0.0.1");
      socket.write(`${line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
      const chunks: Buffer[] = [];
      for await (const chunk of socket) chunks.push(chunk as Buffer);
      return Buffer.concat(chunks).toString("latin1");
    };
    expect(await ask(`GET /${bundle.digest}/manifest.json`)).toMatch(/^HTTP\/1.1 200 /);
    for (const path of [
      "/",
      "/secret.txt",
      "/../manifest.json",
      `/${bundle.digest}`,
      `/${bundle.digest}/`,
      `/${bundle.digest}/slot.bin`,
      `/${bundle.digest}/../secret.txt`,
      `/${bundle.digest}/..%2fsecret.txt`,
      `/${bundle.digest}/manifest.json?x`,
      `/${"5e".repeat(32)}/manifest.json`,
      `//${bundle.digest}/manifest.json`,
    ]) {
      const said = await ask(`GET ${path}`);
      expect([path, said.split("\r\n")[0]]).toEqual([path, "HTTP/1.1 404 Not Found"]);
      expect(said).not.toContain("secret");
    }
    for (const method of ["POST", "PUT", "DELETE"]) {
      expect(await ask(`${method} /${bundle.digest}/manifest.json`)).toMatch(/^HTTP\/1.1 405 /);
    }
  });
});

describe("a bundle store over HTTP that is not what it should be", () => {
  async function hostile(listener: RequestListener): Promise<string> {
    const server = createServer(listener).listen(0, "127.0.0.1");
    await once(server, "listening");
    cleanups.push(async () => {
      server.closeAllConnections();
      server.close();
    });
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}/base`;
  }

  it.each<[string, RequestListener, string]>([
    ["fails", (_, response) => response.writeHead(500).end(), "status 500"],
    [
      "points elsewhere",
      (_, response) => response.writeHead(302, { location: "http://127.0.0.1:1/" }).end(),
      "redirect",
    ],
    ["breaks off", (_, response) => void response.writeHead(200).write("x", () => response.destroy()), "does not give"],
    ["gives no manifest", (_, response) => response.end("{}"), "manifest.json"],
    [
      "never ends",
      (_, response) => {
        const more = () => {
          while (!response.destroyed && response.write(Buffer.alloc(65536))) {}
        };
        response.on("drain", more);
        more();
      },
      "more bytes",
    ],
  ])("is refused when it %s", async (_, listener, message) => {
    const store = openBundleStore(await hostile(listener));
    expect((await refusal(store.read(bundle.digest))).message).toContain(message);
    await refusal(store.list());
  });

  it("is asked below its address only", async () => {
    const paths: string[] = [];
    const where = await hostile(({ url }, response) => {
      paths.push(url as string);
      response.writeHead(404).end();
    });
    expect(await openBundleStore(where).read(bundle.digest)).toBeUndefined();
    expect(paths).toEqual([`/base/${bundle.digest}/manifest.json`]);
  });

  it.each(["ftp://127.0.0.1/", "http://", "http://127.0.0.1/?a=b", "file:///etc"])("%s is no address", (where) => {
    expect(() => openBundleStore(where)).toThrow(HedgeError);
  });

  it("has no password in its address, which is shown in logs and dead letters", () => {
    const where = "http://ada:enigma@127.0.0.1/";
    expect(() => openBundleStore(where)).toThrow(
      expect.not.objectContaining({ message: expect.stringContaining("enigma") }),
    );
  });
});
