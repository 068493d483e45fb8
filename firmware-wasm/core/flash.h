/**
 * NOR flash as the firmware sees it: mapped for reading, erased by sectors to 0xFF, programmed by clearing bits. A board provides one
 * `hedge_flash` for the area that holds its configuration and the two model slots; offsets count from the start of that area.
 */
#ifndef HEDGE_FLASH_H
#define HEDGE_FLASH_H

#include <stdbool.h>
#include <stdint.h>

typedef struct hedge_flash {
    /** The area's first byte, readable at any time outside `erase` and `program`. */
    const uint8_t * memory;
    /** What `erase` clears at once. */
    uint32_t sector_bytes;
    /** The least that the hardware programs at once; a divisor of HEDGE_FLASH_UNIT. */
    uint32_t program_bytes;
    /**
     * Sets a sector to 0xFF; `offset` is a multiple of sector_bytes. False when the hardware says that it failed. An update erases a whole
     * slot in one go: where that may take longer than the watchdog waits, `erase` feeds it.
     */
    bool (* erase) (const struct hedge_flash * flash, uint32_t offset);
    /**
     * Clears the bits that are 0 in `bytes`; offset and length are multiples of program_bytes. False when the hardware says that it failed.
     * Models are written by one HEDGE_FLASH_UNIT at a time. What a power cut left half done is programmed again with the same bytes, never
     * anything else.
     */
    bool (* program) (const struct hedge_flash * flash, uint32_t offset, const uint8_t * bytes, uint32_t length);
    /** For the board. */
    void * context;

    /** Layout of the area; every offset and size a multiple of sector_bytes. */
    uint32_t config_offset, config_bytes;
    /** One sector that boards without a random number generator keep a seed in; seed_bytes is 0 where there is none. */
    uint32_t seed_offset, seed_bytes;
    /** Two slots of slot_bytes each; the last sector of a slot is its status sector (slot.h). */
    uint32_t slot_offset [2], slot_bytes;
} hedge_flash;

/** Bytes of which a power cut may leave any part done; whatever must be whole or absent is told apart by its content. */
#define HEDGE_FLASH_UNIT 32

#endif
