/**
 * Counts what is on the heap: linked with -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=free. A block counts with the allocator's word
 * in front of it.
 */
#include "heap.h"

#include <malloc.h>
#include <stdlib.h>

void * __real_malloc (size_t bytes);
void * __real_calloc (size_t count, size_t bytes);
void * __real_realloc (void * block, size_t bytes);
void __real_free (void * block);

static size_t live, peak;

static size_t size_of (void * block)
{
    return block ? malloc_usable_size (block) + sizeof (size_t) : 0;
}

static void * taken (void * block)
{
    live += size_of (block);
    if (live > peak) peak = live;
    return block;
}

void * __wrap_malloc (size_t bytes)
{
    return taken (__real_malloc (bytes));
}

void * __wrap_calloc (size_t count, size_t bytes)
{
    return taken (__real_calloc (count, bytes));
}

void * __wrap_realloc (void * block, size_t bytes)
{
    const size_t before = size_of (block);
    void * moved = __real_realloc (block, bytes);
    if (moved || ! bytes) live -= before;
    return moved ? taken (moved) : NULL;
}

void __wrap_free (void * block)
{
    live -= size_of (block);
    __real_free (block);
}

size_t heap_live (void)
{
    return live;
}

size_t heap_peak (void)
{
    return peak;
}

void heap_reset_peak (void)
{
    peak = live;
}
