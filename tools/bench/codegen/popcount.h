/** Set bits of 64, in 32-bit arithmetic: both halves are counted apart up to nibbles, then together. */
#pragma once
#include <stdint.h>

static inline uint32_t nibble_sums (uint32_t x)
{
    x -= (x >> 1) & 0x55555555u;
    return (x & 0x33333333u) + ((x >> 2) & 0x33333333u);
}

static inline uint64_t popcount64 (uint64_t x)
{
    // Nibbles of both halves: at most 8, so that their sum fits.
    const uint32_t nibbles = nibble_sums ((uint32_t) x) + nibble_sums ((uint32_t) (x >> 32));
    const uint32_t bytes = (nibbles & 0x0f0f0f0fu) + ((nibbles >> 4) & 0x0f0f0f0fu);
    return (bytes * 0x01010101u) >> 24;
}
