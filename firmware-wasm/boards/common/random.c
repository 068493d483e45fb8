/**
 * Random bytes from a seed in flash, which whoever provisions the board fills from a true generator.
 *
 * A key is hashed from the seed's sector and the timer; each output is a hash of the key and a counter, and the key is hashed on after each
 * request. At each start another seed is written, so that no two runs have one key.
 *
 * What it is worth: as much as the secrecy of the flash. Who reads the flash once knows all outputs from the last start on, save for the
 * timer's few bits; and a board that nobody seeded has the timer's bits only. A board with a generator is to use that instead.
 */
#include "random.h"

#include <string.h>

#include "board.h"
#include "crypto.h"

#define SEED_BYTES 32u

static struct {
    uint8_t key [32];
    uint32_t counter, micros, purpose;
} state;

/** Which hash of the state it is. */
typedef enum { OUTPUT = 1, NEXT_KEY = 2, SEED = 3 } purpose;

static void derive (purpose purpose, uint8_t o_digest [32])
{
    ++state.counter;
    state.micros = board_micros ();
    state.purpose = purpose;
    hedge_sha256 ((const uint8_t *) & state, sizeof state, o_digest);
}

/** How much of the seed's sector is in use, in whole seeds: behind it all is erased. */
static uint32_t used_bytes (const uint8_t * sector, uint32_t bytes)
{
    uint32_t used = bytes;
    while (used > 0 && sector [used - 1] == 0xff) --used;
    return (used + SEED_BYTES - 1) / SEED_BYTES * SEED_BYTES;
}

/**
 * Puts a seed behind the `used` bytes and then wipes these (zeros may be programmed over anything). Only a sector that is full is erased first:
 * a power cut seldom meets one without any seed.
 */
static void write_seed (const uint8_t seed [SEED_BYTES], uint32_t used)
{
    static const uint8_t zeros [SEED_BYTES];
    const hedge_flash * flash = & board_flash;
    const uint32_t sector = flash->seed_offset;
    if (used == flash->seed_bytes) {
        flash->erase (flash, sector);
        used = 0;
    }
    flash->program (flash, sector + used, seed, SEED_BYTES);
    while (used > 0) {
        used -= SEED_BYTES;
        if (memcmp (flash->memory + sector + used, zeros, SEED_BYTES)) flash->program (flash, sector + used, zeros, SEED_BYTES);
    }
}

void random_start (void)
{
    const uint8_t * sector = board_flash.memory + board_flash.seed_offset;
    const uint32_t used = used_bytes (sector, board_flash.seed_bytes);
    hedge_sha256 (sector, used, state.key);
    uint8_t seed [SEED_BYTES];
    derive (SEED, seed);
    write_seed (seed, used);
    derive (NEXT_KEY, state.key);
}

void board_random (uint8_t * o_bytes, size_t length)
{
    while (length > 0) {
        uint8_t block [32];
        const size_t count = length < sizeof block ? length : sizeof block;
        derive (OUTPUT, block);
        memcpy (o_bytes, block, count);
        o_bytes += count;
        length -= count;
    }
    derive (NEXT_KEY, state.key);
}
