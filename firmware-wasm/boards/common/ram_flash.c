/**
 * Memory that stands for NOR flash: the emulator keeps it in a file, and here it behaves as flash does. Erasing sets a sector to 0xFF,
 * programming only clears bits.
 */
#include <string.h>

#include "board.h"
#include "hardware.h"

#define KIB 1024u
#define SECTOR (4 * KIB)

static uint8_t * writable (uint32_t offset)
{
    return (uint8_t *) (uintptr_t) (BOARD_FLASH + offset);
}

static bool erase (const hedge_flash * flash, uint32_t offset)
{
    memset (writable (offset), 0xff, flash->sector_bytes);
    return true;
}

static bool program (const hedge_flash * flash, uint32_t offset, const uint8_t * bytes, uint32_t length)
{
    (void) flash;
    uint8_t * to = writable (offset);
    for (uint32_t i = 0; i < length; ++i) to [i] &= bytes [i];
    return true;
}

const hedge_flash board_flash = {
    .memory = (const uint8_t *) BOARD_FLASH,
    .sector_bytes = SECTOR,
    .program_bytes = 8,
    .erase = erase,
    .program = program,
    .config_offset = 0,
    .config_bytes = 16 * KIB,
    .seed_offset = 16 * KIB,
    .seed_bytes = SECTOR,
    .slot_offset = { 32 * KIB, (32 + 112) * KIB },
    .slot_bytes = 112 * KIB,
};
