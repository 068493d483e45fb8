/**
 * Which model to run, and how a new one comes in. At every moment one slot holds a confirmed, valid model (once the first was
 * installed): installing touches only the other one, and writes its header last.
 *
 * A new model is tried once. Its tried marker is set before it runs; unless `hedge_boot_confirm` follows, the next boot takes the
 * confirmed model again, whatever happened: a trap, a hang that the watchdog ended, a power cut, or nobody confirming.
 */
#ifndef HEDGE_BOOT_H
#define HEDGE_BOOT_H

#include "slot.h"

typedef struct {
    const hedge_flash * flash;
    hedge_slot_limits limits;
    hedge_trust trust;
    /** The slot that runs, -1 when there is none. */
    int active;
    /** Whether `active` runs on trial. */
    bool trial;
    /** What each slot was found to be when it was last looked at. */
    hedge_slot_verdict verdict [2];
    /** The slot that lost its trial since the last boot (tried, never confirmed, now marked rejected), -1 for none. */
    int reverted;
    /** Counters of new models are above it: the highest one that was ever confirmed, 0 for none. */
    uint32_t floor;

    /* Of the update under way. */
    bool updating;
    hedge_slot_header update;
    /** Bytes behind the header that are in flash: a multiple of HEDGE_FLASH_UNIT, or all of them. */
    uint32_t written;
} hedge_boot;

/** Looks at both slots and chooses: an untried new model (marks it tried), else the newest confirmed one. */
void hedge_boot_start (hedge_boot * boot, const hedge_flash * flash, const hedge_slot_limits * limits, const hedge_trust * trust);

/** The model on trial is good. OK too when the active one is confirmed already. */
hedge_slot_verdict hedge_boot_confirm (hedge_boot * boot);
/** The model on trial is not good: never tried again; takes effect with the next boot. Marks it rejected. NO_TRIAL when there is none. */
hedge_slot_verdict hedge_boot_reject (hedge_boot * boot);

/**
 * Begins an update, or goes on with the one of the same header, also behind a reset. Checks the header before anything is erased. Refused
 * while a model is on trial, since the other slot is what the device would go back to; and for a model that was tried and given up: signed
 * with a higher counter it is a new one.
 * @param o_next offset behind the header from which chunks are expected
 */
hedge_slot_verdict hedge_boot_update_begin (hedge_boot * boot, const uint8_t header [HEDGE_SLOT_HEADER_BYTES], uint32_t * o_next);
/**
 * Writes a chunk; `crc` is its CRC-32. Chunks come in order; one that is there already is fine. Its length is a multiple of
 * HEDGE_FLASH_UNIT save for the last. `o_next` is set whatever the verdict.
 */
hedge_slot_verdict hedge_boot_update_chunk (hedge_boot * boot, uint32_t offset, const uint8_t * bytes, uint32_t length, uint32_t crc,
                                            uint32_t * o_next);
/** All chunks are there: checks the hash and writes the header. The model is tried with the next boot. BAD_HASH: nothing is kept, begin anew. */
hedge_slot_verdict hedge_boot_update_finish (hedge_boot * boot);

#endif
