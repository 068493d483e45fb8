/**
 * CMSDK's watchdog: when it has counted down it raises the NMI, whose handler notes where the program hung and resets; should even that
 * hang, it resets the board when it has counted down again.
 */
#include "board.h"
#include "cortex_m.h"
#include "hardware.h"

#define LOAD REGISTER32 (BOARD_WATCHDOG + 0x000)
#define CONTROL REGISTER32 (BOARD_WATCHDOG + 0x008)
#define CONTROL_INTERRUPT_AND_RESET 3u
#define INTERRUPT_CLEAR REGISTER32 (BOARD_WATCHDOG + 0x00c) /* written: counts from LOAD again */
#define LOCK REGISTER32 (BOARD_WATCHDOG + 0xc00)
#define LOCK_OPEN 0x1acce551u

void board_watchdog_start (uint32_t milliseconds)
{
    LOCK = LOCK_OPEN;
    LOAD = milliseconds * (BOARD_CLOCK_HZ / 1000);
    CONTROL = CONTROL_INTERRUPT_AND_RESET;
}

void board_watchdog_feed (void)
{
    INTERRUPT_CLEAR = 1;
}
