/** Set bits of 64, in 32-bit arithmetic: both halves are counted apart up to nibbles, then together. */
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

static inline uint64_t popcount64 (uint64_t x)
{
    const uint32_t odd = in_register (0x55555555u), pairs = in_register (0x33333333u), low = in_register (0x0f0f0f0fu);
    uint32_t a = (uint32_t) x, b = (uint32_t) (x >> 32);
    a -= (a >> 1) & odd;
    b -= (b >> 1) & odd;
    // Nibbles of both halves: at most 8, so that their sum fits.
    const uint32_t nibbles = (a & pairs) + ((a >> 2) & pairs) + (b & pairs) + ((b >> 2) & pairs);
#ifdef __ARM_FEATURE_SIMD32
    return __usada8 (nibbles & low, 0, __usad8 ((nibbles >> 4) & low, 0));
#else
    return (((nibbles & low) + ((nibbles >> 4) & low)) * 0x01010101u) >> 24;
#endif
}
