/**
 * wasm3's heap: one arena of HEDGE_HEAP_BYTES, which nothing else takes from. wasm3 is compiled with calloc, realloc and free meaning these
 * (wasm3/wasm3.mk), hence the signatures.
 */
#ifndef HEDGE_HEAP_H
#define HEDGE_HEAP_H

#include <stddef.h>
#include <stdint.h>

/** A multiple of 8. The shipped model needs 40,044 bytes on a 32-bit board, 26,804 with native kernels. */
#ifndef HEDGE_HEAP_BYTES
#define HEDGE_HEAP_BYTES 43008
#endif

/** Zeroed, aligned to 8 bytes; NULL when there is no room. */
void * hedge_heap_calloc (size_t count, size_t bytes);
/** Keeps the content up to the smaller size; what is new is not zeroed. NULL, and the block stays, when there is no room. */
void * hedge_heap_realloc (void * block, size_t bytes);
void hedge_heap_free (void * block);

/** Everything is free. */
void hedge_heap_reset (void);
/**
 * Called when there is no room, instead of returning NULL; it does not return. NULL for none. wasm3 does not survive each of its allocations
 * failing, so that whoever lets it allocate leaves it by this way, and resets the arena.
 */
extern void (* hedge_heap_exhausted) (void);

/** The most bytes of the arena that were needed, counted to the end of the last block. */
uint32_t hedge_heap_peak (void);

#endif
