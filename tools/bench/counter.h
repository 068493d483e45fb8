/**
 * Counts machine instructions of a stretch of code. On a PC callgrind counts and writes a dump apart; on the emulated
 * Cortex-M4 (QEMU mps2-an386 with -icount shift=0) an instruction takes one nanosecond and timer 0 ticks at 25 MHz: to 40 instructions.
 */
#pragma once
#include <stdint.h>

#if defined (__arm__)

#define TIMER0 ((volatile uint32_t *) 0x40000000u)
enum { CONTROL = 0, VALUE = 1, RELOAD = 2, INSTRUCTIONS_PER_TICK = 40 };

static inline void counter_start (void)
{
    TIMER0 [CONTROL] = 0;
    TIMER0 [RELOAD] = UINT32_MAX;
    TIMER0 [VALUE] = UINT32_MAX;
    TIMER0 [CONTROL] = 1;
}

/** Instructions since counter_start. */
static inline uint64_t counter_stop (const char * name)
{
    (void) name;
    return (uint64_t) (UINT32_MAX - TIMER0 [VALUE]) * INSTRUCTIONS_PER_TICK;
}

#else

#if __has_include(<valgrind/callgrind.h>)
#include <valgrind/callgrind.h>
#else
#define CALLGRIND_ZERO_STATS
#define CALLGRIND_DUMP_STATS_AT(name) ((void) (name))
#endif

static inline void counter_start (void)
{
    CALLGRIND_ZERO_STATS;
}

/** The dump is called by the name; its count is not known here: 0. */
static inline uint64_t counter_stop (const char * name)
{
    CALLGRIND_DUMP_STATS_AT (name);
    return 0;
}

#endif
