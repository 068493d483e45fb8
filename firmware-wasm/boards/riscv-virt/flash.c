/**
 * The machine's second flash bank, which QEMU keeps in a file: two 16-bit chips side by side, with Intel's command set (CFI 0x0001). A command
 * goes to both at once, in both halves of a word, and both report their status.
 *
 * While a chip works it cannot be read; that is no trouble here, for the code lies elsewhere.
 */
#include "board.h"

#include <string.h>

#define BANK 0x22000000u
#define SECTOR_BYTES (256u * 1024)
#define SLOT_BYTES (2 * SECTOR_BYTES)
/** What one write to the chips' buffers takes; it must not cross a multiple of itself. */
#define BUFFER_BYTES 32u

#define BOTH(command) ((command) << 16 | (command))
#define READ_ARRAY BOTH (0xffu)
#define CLEAR_STATUS BOTH (0x50u)
#define ERASE BOTH (0x20u)
#define WRITE_BUFFER BOTH (0xe8u)
#define UNLOCK BOTH (0x60u)
#define CONFIRM BOTH (0xd0u)
#define READY BOTH (0x80u)
/* Erase failed, program failed, no voltage, locked. */
#define FAILED BOTH (0x3au)

static volatile uint32_t * word_at (uint32_t offset)
{
    return (volatile uint32_t *) (BANK + offset);
}

/** Waits for both chips, and lets the bank be read again. @returns whether they did what they were told */
static bool finish (volatile uint32_t * at)
{
    uint32_t status;
    do status = * at;
    while ((status & READY) != READY);
    * at = CLEAR_STATUS;
    * at = READ_ARRAY;
    return (status & FAILED) == 0;
}

/** Chips of this family lock their sectors when the power comes on. */
static void unlock (volatile uint32_t * at)
{
    * at = UNLOCK;
    * at = CONFIRM;
}

static bool erase (const hedge_flash * flash, uint32_t offset)
{
    (void) flash;
    volatile uint32_t * const at = word_at (offset);
    unlock (at);
    * at = ERASE;
    * at = CONFIRM;
    /* Such a sector takes a second or two, and a slot has more of them. */
    board_watchdog_feed ();
    return finish (at);
}

static bool program_buffer (uint32_t offset, const uint8_t * bytes, uint32_t length)
{
    volatile uint32_t * const at = word_at (offset);
    uint32_t words [BUFFER_BYTES / 4];
    for (uint32_t i = 0; i < length / 4; ++i) {
        memcpy (& words [i], bytes + 4 * i, 4);
        /* A bit that is cleared stays so. QEMU's chips would set it. */
        words [i] &= at [i];
    }
    unlock (at);
    * at = WRITE_BUFFER;
    while ((* at & READY) != READY) {}
    * at = BOTH (length / 4 - 1);
    for (uint32_t i = 0; i < length / 4; ++i) at [i] = words [i];
    * at = CONFIRM;
    return finish (at);
}

static bool program (const hedge_flash * flash, uint32_t offset, const uint8_t * bytes, uint32_t length)
{
    (void) flash;
    while (length > 0) {
        const uint32_t room = BUFFER_BYTES - offset % BUFFER_BYTES;
        const uint32_t part = length < room ? length : room;
        if (! program_buffer (offset, bytes, part)) return false;
        offset += part;
        bytes += part;
        length -= part;
    }
    return true;
}

const hedge_flash board_flash = {
    .memory = (const uint8_t *) BANK,
    .sector_bytes = SECTOR_BYTES,
    .program_bytes = 4,
    .erase = erase,
    .program = program,
    .config_offset = 0,
    .config_bytes = SECTOR_BYTES,
    .seed_offset = SECTOR_BYTES,
    .seed_bytes = SECTOR_BYTES,
    .slot_offset = { 2 * SECTOR_BYTES, 2 * SECTOR_BYTES + SLOT_BYTES },
    .slot_bytes = SLOT_BYTES,
};
