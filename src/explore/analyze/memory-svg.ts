/** A plan's linear memory as a picture: layers from left to right, addresses from bottom to top, a rectangle for each buffer. */
import type { Plan } from "../../plan/plan.ts";

const COLUMN = 72;
const HEIGHT = 520;
const MARGIN = { left: 72, top: 24, right: 16, bottom: 150 };
const FONT = 10;
/** Characters of a label that fit a column at that size of font. */
const CHARACTERS_PER_COLUMN = 12;
/** Hues, one buffer after another; far enough apart that neighbours differ. */
const HUE_STEP = 137;

/** @returns an SVG document */
export function memorySvg({ name, buffers, layers, memoryBytes }: Plan): string {
  const columns = layers.length + 1;
  const width = MARGIN.left + columns * COLUMN + MARGIN.right;
  const height = MARGIN.top + HEIGHT + MARGIN.bottom;
  const x = (layer: number): number => MARGIN.left + layer * COLUMN;
  const y = (address: number): number => MARGIN.top + HEIGHT * (1 - address / Math.max(memoryBytes, 1));
  const rectangles = buffers.map(({ name: tensor, address, bytes, firstStep, lastStep }, index) => {
    // A tab stands between a buffer's purpose and its tensor.
    const buffer = tensor.replace("\t", " ").trimEnd();
    const span = lastStep - firstStep + 1;
    const box = `x="${x(firstStep)}" y="${round(y(address + bytes))}" width="${span * COLUMN}" height="${round(y(address) - y(address + bytes))}"`;
    const label = `${bytes} ${buffer}`.slice(0, span * CHARACTERS_PER_COLUMN);
    const tall = y(address) - y(address + bytes) >= FONT;
    return [
      `<g><title>${escapeXml(buffer)}: ${bytes} bytes at ${address}</title>`,
      `<rect ${box} fill="hsl(${(index * HUE_STEP) % 360} 60% 80%)" stroke="#555" stroke-width="0.5"/>`,
      tall ? `<text x="${x(firstStep) + 2}" y="${round(y(address) - 2)}">${escapeXml(label)}</text>` : "",
      "</g>",
    ].join("");
  });
  const names = [...layers.map((layer) => layer.name), "host reads"].map((label, index) => {
    const [cx, cy] = [x(index) + COLUMN / 2, MARGIN.top + HEIGHT + 12];
    return `<text x="${cx}" y="${cy}" transform="rotate(60 ${cx} ${cy})">${escapeXml(label)}</text>`;
  });
  const ticks = [0, 0.25, 0.5, 0.75, 1].map((part) => {
    const address = Math.round(part * memoryBytes);
    return `<line x1="${MARGIN.left}" x2="${width - MARGIN.right}" y1="${y(address)}" y2="${y(address)}" stroke="#ccc"/><text x="${MARGIN.left - 6}" y="${y(address) + 3}" text-anchor="end">${address}</text>`;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="${FONT}">`,
    `<title>Linear memory of ${escapeXml(name)}: ${memoryBytes} bytes</title>`,
    '<rect width="100%" height="100%" fill="white"/>',
    ...ticks,
    ...rectangles,
    ...names,
    "</svg>",
    "",
  ].join("\n");
}

function round(value: number): number {
  return Number(value.toFixed(2));
}

const ENTITIES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

/** Tensor names come from files: nothing in them may be markup, and XML holds no control characters. */
function escapeXml(text: string): string {
  return text.replace(/\p{Cc}/gu, "?").replace(/[&<>"]/g, (character) => ENTITIES[character]!);
}
