/**
 * NOR flash in memory, for tests: erased to 0xFF by sectors, programmed by clearing bits. The power can go before any operation or in the
 * middle of it: then a random part of its bits has changed, and the program goes on at `nor_power`, as a device does at its next start.
 */
#ifndef HEDGE_TEST_NOR_H
#define HEDGE_TEST_NOR_H

#include <setjmp.h>
#include <string.h>

#include "check.h"
#include "flash.h"
#include "random.h"

#define NOR_SLOT 4096u
/** Sectors as they are at first; `nor_flash.sector_bytes` may become another divisor of NOR_SLOT, up to half of it. */
#define NOR_SECTOR 512u
#define NOR_NEVER UINT32_MAX

static uint8_t nor_memory [2 * NOR_SLOT] __attribute__ ((aligned (8)));
/** Operations since the test set it to 0, and the one at which the power goes. */
static uint32_t nor_operations, nor_cut_at = NOR_NEVER;
/** Whether the operation is half done by then, or not begun. */
static bool nor_torn;
static jmp_buf nor_power;
/** From that operation on nothing is done; the hardware says so, or does not even notice. */
static uint32_t nor_broken_at = NOR_NEVER;
static bool nor_unnoticed;

typedef enum { NOR_ALL, NOR_START, NOR_END, NOR_SOME_BYTES, NOR_SOME_BITS } nor_extent;

/** Moves bytes towards what they should become, as far as it came. */
static void nor_change (uint8_t * at, const uint8_t * should, uint32_t length, nor_extent extent)
{
    const uint32_t start = extent == NOR_END ? random_below (length + 1) : 0;
    const uint32_t end = extent == NOR_START ? random_below (length + 1) : length;
    for (uint32_t i = start; i < end; ++i)
    {
        const uint8_t mask = extent == NOR_SOME_BYTES ? (random_below (2) ? 0xFF : 0) : extent == NOR_SOME_BITS ? (uint8_t) random_word () : 0xFF;
        at [i] = (uint8_t) ((at [i] & ~mask) | (should [i] & mask));
    }
}

static bool nor_do (uint32_t offset, const uint8_t * should, uint32_t length)
{
    if (nor_operations >= nor_broken_at) return nor_unnoticed;
    const bool cut = nor_operations++ == nor_cut_at;
    if (! cut || nor_torn) nor_change (nor_memory + offset, should, length, cut ? (nor_extent) (1 + random_below (4)) : NOR_ALL);
    if (cut) longjmp (nor_power, 1);
    return true;
}

static bool nor_erase (const hedge_flash * flash, uint32_t offset)
{
    uint8_t blank [NOR_SLOT / 2];
    memset (blank, 0xFF, sizeof blank);
    CHECK (offset % flash->sector_bytes == 0 && offset < sizeof nor_memory);
    return nor_do (offset, blank, flash->sector_bytes);
}

static bool nor_program (const hedge_flash * flash, uint32_t offset, const uint8_t * bytes, uint32_t length)
{
    uint8_t should [HEDGE_FLASH_UNIT];
    CHECK (offset % flash->program_bytes == 0 && length % flash->program_bytes == 0);
    CHECK (length <= sizeof should && offset <= sizeof nor_memory - length);
    for (uint32_t i = 0; i < length; ++i) should [i] = nor_memory [offset + i] & bytes [i];
    return nor_do (offset, should, length);
}

static hedge_flash nor_flash = {
    .memory = nor_memory,
    .sector_bytes = NOR_SECTOR,
    .program_bytes = HEDGE_FLASH_UNIT,
    .erase = nor_erase,
    .program = nor_program,
    .slot_offset = { 0, NOR_SLOT },
    .slot_bytes = NOR_SLOT,
};

#endif
