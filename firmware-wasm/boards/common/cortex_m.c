/** From reset to main on any Cortex-M, faults, and what a run leaves for the next one to know why it ended. */
#include "cortex_m.h"

#include <string.h>

#include "board.h"
#include "cmsdk.h"
#include "hardware.h"
#include "ram.h"

int main (void);

/* From the linker script. */
extern uint32_t data_start [], data_end [], bss_start [], bss_end [];
extern const uint32_t data_image [];

#define AIRCR 0xe000ed0cu
#define AIRCR_SYSTEM_RESET 0x05fa0004u
#define SYSTICK_CONTROL 0xe000e010u
#define SYSTICK_RELOAD 0xe000e014u
#define SYSTICK_VALUE 0xe000e018u
#define SYSTICK_RUN 7u /* on, with its interrupt, by the core's clock */

/** RAM keeps its content over a reset, so an unlikely word says that there was a run before. */
#define RAN_BEFORE 0x48454447u
typedef enum { ENDED_OTHERWISE = 0, ENDED_BY_SOFTWARE, ENDED_BY_WATCHDOG, ENDED_BY_FAULT } run_end;
static struct {
    uint32_t ran_before;
    run_end end;
    uint32_t address;
} last_run __attribute__ ((section (".noinit")));

static board_reset_cause_t cause;
static uint32_t fault_address;

__attribute__ ((noreturn, used)) static void reset_to_main (void)
{
    memcpy (data_start, data_image, (uintptr_t) data_end - (uintptr_t) data_start);
    memset (bss_start, 0, (uintptr_t) bss_end - (uintptr_t) bss_start);
    main ();
    board_reset ();
}

/** Paints the stack before there is anything on it. */
__attribute__ ((naked, noreturn)) void reset_handler (void)
{
    __asm__ ("ldr r0, =stack_limit\n"
             "ldr r1, =stack_top\n"
             "mov sp, r1\n"
             "ldr r2, =%c0\n"
             "1: str r2, [r0], #4\n"
             "cmp r0, r1\n"
             "blo 1b\n"
             "b reset_to_main\n"
             :: "i" (RAM_STACK_PAINT));
}

static _Noreturn void end_run (run_end end, uint32_t address)
{
    last_run.end = end;
    last_run.address = address;
    __asm__ volatile ("dsb" ::: "memory");
    REGISTER32 (AIRCR) = AIRCR_SYSTEM_RESET;
    for (;;) { }
}

/** @param frame what the core put on the stack: r0-r3, r12, lr, pc, xpsr; outside of the stack after an overflow */
__attribute__ ((noreturn, used)) static void end_by_exception (const uint32_t * frame, uint32_t exception)
{
    const bool whole = (uintptr_t) frame >= (uintptr_t) stack_limit && (uintptr_t) (frame + 8) <= (uintptr_t) stack_top;
    end_run (exception == 2 ? ENDED_BY_WATCHDOG : ENDED_BY_FAULT, whole ? frame [6] : 0);
}

/** Faults and the NMI, which is the watchdog's: there is no way back, and after an overflow no stack either. */
__attribute__ ((naked)) static void exception_handler (void)
{
    __asm__ ("mov r0, sp\n"
             "mrs r1, ipsr\n"
             "ldr r2, =stack_top\n"
             "mov sp, r2\n"
             "b end_by_exception\n");
}

/** Its only purpose is to end a sleep. */
static void systick_handler (void) { }

typedef void (* handler) (void);

__attribute__ ((section (".vectors"), used)) static const struct {
    const uint32_t * stack;
    handler core [15], board [BOARD_INTERRUPTS];
} vectors = {
    .stack = stack_top,
    .core = {
        reset_handler, exception_handler, exception_handler, exception_handler, exception_handler, exception_handler, exception_handler,
        [10] = exception_handler, [13] = exception_handler, [14] = systick_handler,
    },
    .board = {
        [BOARD_UART_RX_INTERRUPT] = cmsdk_uart_interrupt,
        [BOARD_UART_TX_INTERRUPT] = cmsdk_uart_interrupt,
    },
};

void cortex_m_start (void)
{
    if (last_run.ran_before == RAN_BEFORE) {
        if (last_run.end == ENDED_BY_SOFTWARE) cause = BOARD_SOFTWARE_RESET;
        else if (last_run.end == ENDED_BY_WATCHDOG) cause = BOARD_WATCHDOG_RESET;
        else if (last_run.end == ENDED_BY_FAULT) cause = BOARD_FAULT_RESET;
        fault_address = last_run.address;
    }
    last_run.ran_before = RAN_BEFORE;
    last_run.end = ENDED_OTHERWISE;
    last_run.address = 0;
}

board_reset_cause_t board_reset_cause (void)
{
    return cause;
}

uint32_t board_fault_address (void)
{
    return fault_address;
}

void board_reset (void)
{
    cmsdk_uart_drain ();
    end_run (ENDED_BY_SOFTWARE, 0);
}

void board_idle (void)
{
    REGISTER32 (SYSTICK_RELOAD) = BOARD_CLOCK_HZ / 1000 - 1;
    REGISTER32 (SYSTICK_VALUE) = 0;
    REGISTER32 (SYSTICK_CONTROL) = SYSTICK_RUN;
    __asm__ volatile ("wfi" ::: "memory");
    REGISTER32 (SYSTICK_CONTROL) = 0;
}
