/** Boards as data files: what a part has, and what its firmware needs of that beside the model. */
import { readdirSync, readFileSync } from "node:fs";
import { z } from "zod";
import { HedgeError } from "../errors.ts";
import { readCapped } from "../files.ts";

const FOLDER = new URL("./", import.meta.url);
const MAX_BOARD_BYTES = 65536;

const bytes = z
  .int()
  .positive()
  .max(2 ** 32);
const text = z.string().regex(/^\P{Cc}*$/u, "it holds a control character");

const boardSchema = z
  .strictObject({
    name: text.min(1).max(100),
    title: text,
    core: text,
    clockMHz: z.number().positive(),
    flashBytes: bytes,
    ramBytes: bytes,
    /** What is taken before the model comes: code and constants; static data, stacks and other heaps. */
    firmware: z.strictObject({ flashBytes: z.int().nonnegative(), ramBytes: z.int().nonnegative() }),
    notes: text.optional(),
  })
  .refine(({ flashBytes, firmware }) => firmware.flashBytes < flashBytes, "its firmware takes all flash")
  .refine(({ ramBytes, firmware }) => firmware.ramBytes < ramBytes, "its firmware takes all RAM");

export type Board = z.infer<typeof boardSchema>;

/** Flash and RAM in bytes that a model may take: the module and its weights; wasm3's whole heap. */
export function budgetOf({ flashBytes, ramBytes, firmware }: Board): { flash: number; ram: number } {
  return { flash: flashBytes - firmware.flashBytes, ram: ramBytes - firmware.ramBytes };
}

/** The boards that come with Hedge, the smallest budget of RAM first. */
export function knownBoards(): Board[] {
  return readdirSync(FOLDER)
    .filter((file) => file.endsWith(".json"))
    .map((file) => parseBoard(readFileSync(new URL(file, FOLDER), "utf8"), file))
    .toSorted((a, b) => budgetOf(a).ram - budgetOf(b).ram);
}

/**
 * @param name of a board that comes with Hedge, or the path of a board's file (.json)
 * @throws HedgeError: usage for an unknown name, input for a file that describes no board
 */
export async function findBoard(name: string): Promise<Board> {
  if (name.endsWith(".json")) {
    const file = await readCapped(name, MAX_BOARD_BYTES, "Give a board's name or the path of its file.");
    return parseBoard(file.toString("utf8"), name);
  }
  const boards = knownBoards();
  const board = boards.find((each) => each.name === name);
  if (board) return board;
  const names = boards.map((each) => each.name).join(", ");
  throw new HedgeError(
    "usage",
    `No board is called "${name}".`,
    `Take one of ${names}, or give the path of a board's file.`,
  );
}

function parseBoard(json: string, file: string): Board {
  const remedy = "Write it like the files in src/boards.";
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (cause) {
    throw new HedgeError("input", `${file} is not JSON.`, remedy, { cause });
  }
  const result = boardSchema.safeParse(value);
  if (result.success) return result.data;
  const { path, message } = result.error.issues[0]!;
  throw new HedgeError("input", `${file} describes no board: ${[...path, message].join(": ")}.`, remedy);
}
