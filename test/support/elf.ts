/** What a symbol of a 32-bit little-endian ELF file holds. */

const SECTION_BYTES = 40;
const SYMBOL_BYTES = 16;
const SYMBOL_TABLE = 2;

export interface ElfSymbol {
  readonly bytes: number;
  /** Of a symbol that the file has content for; what is zeroed at the start has none. */
  readonly content: Buffer;
}

/** @throws Error when the file has no such symbol */
export function elfSymbol(elf: Buffer, name: string): ElfSymbol {
  if (elf.toString("latin1", 0, 6) !== "\x7fELF\x01\x01") throw new Error("no 32-bit little-endian ELF file");
  const word = (at: number): number => elf.readUInt32LE(at);
  const sections = Array.from({ length: elf.readUInt16LE(48) }, (_, i) => {
    const at = word(32) + i * SECTION_BYTES;
    const [type, address, offset, bytes, names] = [
      word(at + 4),
      word(at + 12),
      word(at + 16),
      word(at + 20),
      word(at + 24),
    ];
    return { type, address, offset, bytes, names };
  });
  const table = sections.find(({ type }) => type === SYMBOL_TABLE);
  if (!table) throw new Error("no symbols");
  const names = sections[table.names]!.offset;
  for (let at = table.offset; at < table.offset + table.bytes; at += SYMBOL_BYTES) {
    const start = names + word(at);
    if (elf.toString("latin1", start, elf.indexOf(0, start)) !== name) continue;
    const { address, offset } = sections[elf.readUInt16LE(at + 14)]!;
    const [from, bytes] = [offset + word(at + 4) - address, word(at + 8)];
    return { bytes, content: elf.subarray(from, from + bytes) };
  }
  throw new Error(`no symbol ${name}`);
}
