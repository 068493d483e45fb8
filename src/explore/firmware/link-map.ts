/** What a linked program consists of, from the map that GNU ld writes. */

/** An input section in the program. */
export interface MapEntry {
  /** Such as .text.hedge_device_poll. */
  readonly section: string;
  readonly bytes: number;
  /** Object file, or an archive with its member in parentheses. */
  readonly object: string;
}

/** Sections whose bytes lie in flash; .data also takes RAM. */
const IN_FLASH = /^\.(text|rodata|vectors|data|sdata|ARM\.ex)/;
const MEMORY_MAP = "Linker script and memory map";
/** A long name is alone on its line, the numbers follow on the next. */
const ENTRY = /^ (\.[\w.$-]+)\s+0x[0-9a-f]+\s+0x([0-9a-f]+) (\S.*)$/gm;

/** The sections that were linked; what was left out as unused is not among them. */
export function readMap(text: string): MapEntry[] {
  const linked = text.slice(text.indexOf(MEMORY_MAP));
  return [...linked.matchAll(ENTRY)].map(([, section, bytes, object]) => ({
    section: section!,
    bytes: Number.parseInt(bytes!, 16),
    object: object!,
  }));
}

/** Bytes of flash of the objects that match. */
export function flashOf(entries: readonly MapEntry[], object: RegExp): number {
  return entries
    .filter((entry) => IN_FLASH.test(entry.section) && object.test(entry.object))
    .reduce((sum, { bytes }) => sum + bytes, 0);
}
