import { beforeAll, describe, expect, it } from "vitest";
import { hybridModel, smallShape } from "../../../test/support/hybrid-model.ts";
import type { Board } from "../../boards/boards.ts";
import { type Compilation, compileModel } from "../../bundle/compile.ts";
import { encodeModel } from "../../import/onnx/codec.ts";
import { type Analysis, analyzeBundle } from "./analysis.ts";
import { overBudget } from "./budget.ts";
import { energyPicojoules } from "./energy.ts";
import { memorySvg } from "./memory-svg.ts";
import { totalLines } from "./text.ts";

let compilation: Compilation;
let analysis: Analysis;
beforeAll(async () => {
  compilation = await compileModel(encodeModel(hybridModel(smallShape())), "model.onnx");
  analysis = analyzeBundle(compilation.bundle, compilation.plan);
});

const board = (ramBytes: number, flashBytes: number): Board => ({
  name: "tiny",
  title: "Tiny",
  core: "Cortex-M4",
  clockMHz: 10,
  ramBytes: ramBytes + 1000,
  flashBytes: flashBytes + 1000,
  firmware: { ramBytes: 1000, flashBytes: 1000 },
});

describe("an analysis", () => {
  it("has the layers of the bundle, and totals that are their sums", () => {
    const { layers, macs, instructions, ram, flash } = analysis;
    const { bundle } = compilation;
    expect(layers.map(({ name }) => name)).toEqual(bundle.manifest.layers.map(({ name }) => name));
    const sum = (of: (layer: (typeof layers)[number]) => number) =>
      layers.reduce((total, layer) => total + of(layer), 0);
    expect(sum((layer) => layer.macs.binary)).toBe(macs.binary);
    expect(macs.binary + macs.lowBit + macs.byte).toBe(bundle.manifest.layers.reduce((n, row) => n + row.macs, 0));
    expect(sum((layer) => layer.instructions!.arm)).toBe(instructions!.arm);
    expect(flash.total).toBe(bundle.edgeWasm.length + bundle.weights.length);
    expect(analysis.stackBytes).toBeLessThanOrEqual(bundle.manifest.module.stackBytes);
    expect(ram.total).toBe(ram.linear + ram.stack + ram.code + ram.structures);
    // Every function runs in some step, so that all code is charged to a layer; pages and stubs are left.
    expect(sum((layer) => layer.metacodeBytes)).toBeLessThanOrEqual(ram.code);
    expect(sum((layer) => layer.metacodeBytes)).toBeGreaterThan(ram.code / 2);
  });

  it("tells of each layer what lives while it runs, at most the whole memory", () => {
    const live = analysis.layers.map((layer) => layer.ramBytes!);
    expect(Math.max(...live)).toBeLessThanOrEqual(compilation.plan.memoryBytes);
    for (const [index, layer] of compilation.plan.layers.entries())
      expect(live[index]).toBeGreaterThanOrEqual(layer.output.bytes);
  });

  it("of a bundle alone does not know the memory of layers, but all else", () => {
    const alone = analyzeBundle(compilation.bundle);
    expect(alone.layers.every((layer) => layer.ramBytes === undefined)).toBe(true);
    expect(alone.ram).toEqual(analysis.ram);
  });
});

describe("energy, computed by hand", () => {
  const memory = { weightBytes: 10, activationBytes: 20 };
  it.each([
    ["binary", 1, 1, 100 * 0.2],
    ["4-bit", 4, 2, (100 * 4.6 * 4) / 32],
    ["8-bit weights on bits", 8, 1, (100 * 4.6) / 4],
  ])("%s", (_, weightBits, activationBits, arithmetic) => {
    const energy = energyPicojoules({ macs: 100, weightBits, activationBits, ...memory });
    expect(energy).toBeCloseTo(arithmetic + 8 * 50 * 2.5, 9);
  });
});

describe("a board's budget", () => {
  it("is met to the byte", () => {
    const { ram, flash } = analysis;
    expect(overBudget(analysis, board(ram.total, flash.total))).toBeUndefined();
    expect(totalLines(analysis, board(ram.total, flash.total)).join()).toContain("100 % of the");
  });

  it("exceeded in RAM names the layer that needs the most, what to save and a board that has it", () => {
    const error = overBudget(analysis, board(analysis.ram.total - 1, 1 << 20));
    const names = analysis.layers.map(({ name }) => `"${name}"`);
    expect(error).toMatchObject({
      kind: "check",
      code: "H501",
      message: expect.stringContaining("bytes of RAM on tiny"),
    });
    expect(names.some((name) => error!.message.includes(name))).toBe(true);
    expect(error!.remedy).toMatch(/^Save 1 bytes: .*it fits mps2-an385\.$/);
  });

  it("exceeded in flash names the layer with the most weights", () => {
    const error = overBudget(analysis, board(1 << 20, analysis.flash.total - 7));
    const most = analysis.layers.toSorted((a, b) => b.flashBytes - a.flashBytes)[0]!;
    expect(error!.message).toContain(`"${most.name}" has ${most.flashBytes} bytes of weights`);
    expect(error!.remedy).toContain("Save 7 bytes");
  });
});

describe("the picture of memory", () => {
  it("has a rectangle for each buffer, inside of the frame and the memory", () => {
    const { plan } = compilation;
    const svg = memorySvg(plan);
    const boxes = [...svg.matchAll(/<rect x="(\S+)" y="(\S+)" width="(\S+)" height="(\S+)"/g)].map((m) =>
      m.slice(1).map(Number),
    );
    expect(boxes).toHaveLength(plan.buffers.length);
    const [, width, height] = /width="(\d+)" height="(\d+)"/.exec(svg)!.map(Number);
    for (const [x, y, w, h] of boxes as [number, number, number, number][]) {
      expect(x).toBeGreaterThan(0);
      expect(y).toBeGreaterThan(0);
      expect(x + w).toBeLessThanOrEqual(width!);
      expect(y + h).toBeLessThanOrEqual(height!);
    }
    for (const layer of plan.layers) expect(svg).toContain(`>${layer.name}</text>`);
  });

  it("holds no markup from names", () => {
    const { plan } = compilation;
    const buffers = plan.buffers.map((buffer) => ({ ...buffer, name: '<script>"&\u0007' }));
    const svg = memorySvg({ ...plan, buffers });
    expect(svg).not.toContain("<script>");
    expect(svg).toContain("&lt;script&gt;&quot;&amp;?");
  });
});
