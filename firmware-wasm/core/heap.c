/**
 * First fit over blocks that lie one behind another: few and long-lived, as wasm3's are, they need no list of the free ones. A block is a
 * header and its content; headers lie 4 bytes before a multiple of 8, so that contents are aligned.
 */
#include "heap.h"

#include <stdbool.h>
#include <string.h>

#define HEADER_BYTES 4
#define USED 1u
/** The smallest block worth splitting off. */
#define MIN_BLOCK 8

/* In front of the first header lie 4 bytes of nothing; behind the last block a header of size 0, which is used, ends the arena. */
static struct { _Alignas (8) uint8_t bytes [HEDGE_HEAP_BYTES]; } arena;
#define FIRST (arena.bytes + HEADER_BYTES)
#define LAST (arena.bytes + HEDGE_HEAP_BYTES - HEADER_BYTES)
_Static_assert (HEDGE_HEAP_BYTES % 8 == 0 && HEDGE_HEAP_BYTES >= 64, "headers are aligned");

static bool ready;
static uint32_t peak;

void (* hedge_heap_exhausted) (void);

/** A block's bytes, header included; its lowest bit says whether it is used. */
static uint32_t * header_of (uint8_t * block)
{
    return (uint32_t *) (void *) block;
}

static uint32_t size_of (uint8_t * block)
{
    return * header_of (block) & ~ USED;
}

static bool is_used (uint8_t * block)
{
    return * header_of (block) & USED;
}

void hedge_heap_reset (void)
{
    * header_of (FIRST) = (uint32_t) (LAST - FIRST);
    * header_of (LAST) = USED;
    ready = true;
}

/** Joins a free block with the free ones behind it. */
static void join (uint8_t * block)
{
    for (uint8_t * next = block + size_of (block); ! is_used (next); next = block + size_of (block))
        * header_of (block) += size_of (next);
}

/** Makes a block that is large enough a used one of `bytes`, and what is left over a free one. */
static void claim (uint8_t * block, uint32_t bytes)
{
    const uint32_t whole = size_of (block);
    if (whole - bytes >= MIN_BLOCK)
    {
        * header_of (block + bytes) = whole - bytes;
        * header_of (block) = bytes | USED;
        join (block + bytes);
    }
    else * header_of (block) = whole | USED;
    const uint32_t end = (uint32_t) (block + size_of (block) - arena.bytes);
    if (end > peak) peak = end;
}

/** Bytes of a block for so much content; 0 when no arena holds it. */
static uint32_t block_bytes (size_t content)
{
    if (content > HEDGE_HEAP_BYTES) return 0;
    return ((uint32_t) content + HEADER_BYTES + 7) & ~ 7u;
}

static void * refuse (void)
{
    if (hedge_heap_exhausted) hedge_heap_exhausted ();
    return NULL;
}

void * hedge_heap_calloc (size_t count, size_t bytes)
{
    if (! ready) hedge_heap_reset ();
    const uint32_t size = bytes && count > HEDGE_HEAP_BYTES / bytes ? 0 : block_bytes (count * bytes);
    for (uint8_t * block = FIRST; size && block < LAST; block += size_of (block))
    {
        if (is_used (block)) continue;
        join (block);
        if (size_of (block) < size) continue;
        claim (block, size);
        return memset (block + HEADER_BYTES, 0, size - HEADER_BYTES);
    }
    return refuse ();
}

void * hedge_heap_realloc (void * io_block, size_t bytes)
{
    if (! io_block) return hedge_heap_calloc (1, bytes);
    const uint32_t size = block_bytes (bytes);
    if (size == 0) return refuse ();
    uint8_t * block = (uint8_t *) io_block - HEADER_BYTES;
    const uint32_t before = size_of (block);
    * header_of (block) = before;
    join (block);
    if (size_of (block) >= size)
    {
        claim (block, size);
        return io_block;
    }
    claim (block, before);
    void * moved = hedge_heap_calloc (1, bytes);
    if (! moved) return NULL;
    memcpy (moved, io_block, before - HEADER_BYTES < bytes ? before - HEADER_BYTES : bytes);
    hedge_heap_free (io_block);
    return moved;
}

void hedge_heap_free (void * io_block)
{
    if (! io_block) return;
    uint8_t * block = (uint8_t *) io_block - HEADER_BYTES;
    * header_of (block) &= ~ USED;
    join (block);
}

uint32_t hedge_heap_peak (void)
{
    return peak;
}
