import { expect, it } from "vitest";
import { flashOf, readMap } from "./link-map.ts";

const MAP = `
Discarded input sections

 .text.unused   0x00000000       0x99 build/objects/core/main.o

Linker script and memory map

.text           0x00000000     0x1234
 .text          0x000000c0       0x58 build/objects/core/main.o
                0x000000c0                main
 *fill*         0x00000118        0x2 
 .text.hedge_boot_start
                0x0000011a      0x102 build/objects/core/boot.o
 .rodata.str1.4
                0x0000021c       0x10 build/objects/core/boot.o
                                 0x30 (size before relaxing)
 .text.memcpy   0x0000022c       0x20 /usr/lib/libc_nano.a(libc_a-memcpy.o)
 .bss.arena     0x20000000     0xa000 build/objects/core/heap.o
 .debug_info    0x00000000      0x777 build/objects/core/boot.o
 .ARM.attributes
                0x00000000       0x2d build/objects/core/boot.o
`;

it("counts what is linked and lies in flash", () => {
  const map = readMap(MAP);
  expect(flashOf(map, /objects\/core/)).toBe(0x58 + 0x102 + 0x10);
  expect(flashOf(map, /\.a\(/)).toBe(0x20);
  expect(map.find(({ section }) => section === ".bss.arena")?.bytes).toBe(0xa000);
  expect(map.some(({ section }) => section === ".text.unused")).toBe(false);
});
