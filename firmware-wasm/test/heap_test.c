/** wasm3's arena: random use against what should be in each block, and what it says of its high water. */
#include "heap.h"

#include <stdint.h>
#include <string.h>

#include "check.h"
#include "random.h"

#define BLOCKS 40

typedef struct { uint8_t * at; size_t bytes; uint8_t mark; } block;

static void check_block (const block * b)
{
    CHECK ((uintptr_t) b->at % 8 == 0);
    for (size_t i = 0; i < b->bytes; ++i) CHECK (b->at [i] == b->mark);
}

/** Blocks never share a byte, new ones are zeroed, moved ones keep their content, full ones are refused. */
static void keeps_blocks_apart (void)
{
    static block blocks [BLOCKS];
    uint32_t refused = 0;
    for (uint32_t round = 0; round < 20000; ++round)
    {
        block * b = & blocks [random_below (BLOCKS)];
        const size_t bytes = random_below (random_below (20) ? 3000 : 40000);
        if (! b->at)
        {
            uint8_t * at = hedge_heap_calloc (1, bytes);
            if (! at) ++refused;
            for (size_t i = 0; at && i < bytes; ++i) CHECK (at [i] == 0);
            if (at) * b = (block) { at, bytes, (uint8_t) (1 + random_below (255)) };
        }
        else if (random_below (2))
        {
            check_block (b);
            uint8_t * at = hedge_heap_realloc (b->at, bytes);
            if (! at) ++refused;
            for (size_t i = 0; at && i < b->bytes && i < bytes; ++i) CHECK (at [i] == b->mark);
            if (at) b->at = at, b->bytes = bytes;
        }
        else
        {
            check_block (b);
            hedge_heap_free (b->at);
            b->at = NULL;
        }
        if (b->at) memset (b->at, b->mark, b->bytes);
    }
    CHECK (refused > 100);
    for (uint32_t i = 0; i < BLOCKS; ++i)
    {
        if (blocks [i].at) check_block (& blocks [i]);
        hedge_heap_free (blocks [i].at);
    }
}

/** Once all is free, it is one block again, and the smallest and largest sizes are handled. */
static void comes_back_whole (void)
{
    CHECK (! hedge_heap_calloc (1, HEDGE_HEAP_BYTES));
    CHECK (! hedge_heap_calloc (SIZE_MAX, 2));
    CHECK (! hedge_heap_calloc (1, SIZE_MAX));
    uint8_t * all = hedge_heap_calloc (1, HEDGE_HEAP_BYTES - 12);
    CHECK (all);
    CHECK (! hedge_heap_calloc (1, 1));
    CHECK (! hedge_heap_realloc (all, HEDGE_HEAP_BYTES));
    CHECK_EQUAL (hedge_heap_peak (), HEDGE_HEAP_BYTES - 4);
    hedge_heap_free (all);
    void * empty = hedge_heap_calloc (0, 8);
    CHECK (empty);
    hedge_heap_free (empty);
    hedge_heap_free (NULL);
    CHECK (hedge_heap_calloc (1, HEDGE_HEAP_BYTES / 2) && ! hedge_heap_calloc (1, HEDGE_HEAP_BYTES / 2));
    hedge_heap_reset ();
    CHECK (hedge_heap_calloc (1, HEDGE_HEAP_BYTES - 12));
}

static void counts_its_high_water (void)
{
    CHECK_EQUAL (hedge_heap_peak (), 0);
    void * first = hedge_heap_calloc (1, 100);
    CHECK_EQUAL (hedge_heap_peak (), 4 + 104);
    void * second = hedge_heap_calloc (1, 4);
    hedge_heap_free (first);
    CHECK_EQUAL (hedge_heap_peak (), 4 + 104 + 8);
    void * third = hedge_heap_realloc (second, 12);
    CHECK (third == second);
    CHECK_EQUAL (hedge_heap_peak (), 4 + 104 + 16);
    hedge_heap_free (third);
}

int main (void)
{
    TEST (counts_its_high_water);
    TEST (keeps_blocks_apart);
    TEST (comes_back_whole);
    return 0;
}
