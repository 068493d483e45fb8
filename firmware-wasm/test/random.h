/** Random numbers that a seed repeats. */
#ifndef HEDGE_TEST_RANDOM_H
#define HEDGE_TEST_RANDOM_H

#include <stdint.h>

static uint64_t random_state = 1;

/** Steele and others' splitmix64. */
static inline uint32_t random_word (void)
{
    uint64_t z = (random_state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (uint32_t) (z >> 32);
}

static inline uint32_t random_below (uint32_t limit)
{
    return random_word () % limit;
}

#endif
