/**
 * Makes models/cifar10-test-500: the first 50 test images of each class, in rounds of one image a class, so that each prefix of
 * whole rounds is balanced too.
 *
 *     make build && node tools/data/make-test-strip.js data/cifar10/test.bin models/cifar10-test-500
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CIFAR10_CLASSES } from "../../dist/explore/cifar10.js";
import { encodeStrip, LABELS_FILE, STRIP_FILE } from "../../dist/explore/strip.js";

const PER_CLASS = 50;
const PLANE = 32 * 32;
const RECORD_BYTES = 1 + 3 * PLANE;

const [source, folder] = process.argv.slice(2);
if (folder === undefined) {
  console.error("usage: node tools/data/make-test-strip.js data/cifar10/test.bin FOLDER");
  process.exit(2);
}
const records = readFileSync(source);
const taken = new Array(CIFAR10_CLASSES.length).fill(0);
const chosen = [];
for (let i = 0; i * RECORD_BYTES < records.length; i++) {
  const round = taken[records[i * RECORD_BYTES]]++;
  if (round < PER_CLASS) chosen.push({ index: i, round });
}
const indices = chosen.sort((a, b) => a.round - b.round || a.index - b.index).map(({ index }) => index);
const labels = indices.map((i) => records[i * RECORD_BYTES]);
const images = indices.map((i) => records.subarray(i * RECORD_BYTES + 1, (i + 1) * RECORD_BYTES));

mkdirSync(folder, { recursive: true });
writeFileSync(join(folder, STRIP_FILE), encodeStrip(images, PLANE));
const facts = { source: "CIFAR-10 test set", classes: CIFAR10_CLASSES, shape: [3, 32, 32], labels, indices };
writeFileSync(join(folder, LABELS_FILE), `${JSON.stringify(facts)}\n`);
