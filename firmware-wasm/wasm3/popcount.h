/** Set bits without a call. The halves of 64 bits are counted apart up to nibbles, then together. */
#pragma once
#include <stdint.h>

#ifdef __ARM_FEATURE_SIMD32
#include <arm_acle.h>
#endif

/** A constant in a register: Arm then shifts and masks in one instruction. */
static inline uint32_t in_register (uint32_t constant)
{
    __asm__ ("" : "+r" (constant));
    return constant;
}

/** Set bits by nibbles. */
static inline uint32_t count_nibbles (uint32_t x)
{
    const uint32_t odd = in_register (0x55555555u), pairs = in_register (0x33333333u);
    x -= (x >> 1) & odd;
    return (x & pairs) + ((x >> 2) & pairs);
}

/** The sum of eight nibbles. */
static inline uint32_t sum_nibbles (uint32_t nibbles)
{
    const uint32_t low = in_register (0x0f0f0f0fu);
#ifdef __ARM_FEATURE_SIMD32
    return __usada8 (nibbles & low, 0, __usad8 ((nibbles >> 4) & low, 0));
#else
    return (((nibbles & low) + ((nibbles >> 4) & low)) * 0x01010101u) >> 24;
#endif
}

static inline uint32_t popcount32 (uint32_t x)
{
    return sum_nibbles (count_nibbles (x));
}

static inline uint32_t popcount64 (uint64_t x)
{
    /* At most 8 in each nibble: their sum fits. */
    return sum_nibbles (count_nibbles ((uint32_t) x) + count_nibbles ((uint32_t) (x >> 32)));
}
