/** The board's time by CMSDK's timer, which counts the clock down. */
#include "board.h"
#include "cmsdk.h"
#include "cortex_m.h"
#include "hardware.h"

#define CONTROL REGISTER32 (BOARD_TIMER + 0x00)
#define CONTROL_ON 1u
#define VALUE REGISTER32 (BOARD_TIMER + 0x04)
#define RELOAD REGISTER32 (BOARD_TIMER + 0x08)

#define CLOCKS_PER_MICRO (BOARD_CLOCK_HZ / 1000000u)

/** What has passed: the counter, when it was last looked at, and the time since the start up to then. */
static uint32_t counter, micros, millis, clocks_left, micros_left;

void cmsdk_timer_start (void)
{
    RELOAD = UINT32_MAX;
    VALUE = UINT32_MAX;
    CONTROL = CONTROL_ON;
    counter = UINT32_MAX;
}

/** Right when it is called at least once each time the counter wraps around: every 171 s at 25 MHz. */
static void advance (void)
{
    const uint32_t now = VALUE, clocks = counter - now;
    uint32_t passed = clocks / CLOCKS_PER_MICRO;
    counter = now;
    clocks_left += clocks % CLOCKS_PER_MICRO;
    if (clocks_left >= CLOCKS_PER_MICRO) {
        clocks_left -= CLOCKS_PER_MICRO;
        ++passed;
    }
    micros += passed;
    micros_left += passed;
    millis += micros_left / 1000;
    micros_left %= 1000;
}

uint32_t board_micros (void)
{
    advance ();
    return micros;
}

uint32_t board_millis (void)
{
    advance ();
    return millis;
}
