/**
 * QEMU's riscv32 "virt" machine: time and the watchdog by the CLINT's timer, resets by the test device.
 *
 * The machine has no watchdog of its own. The timer's interrupt stands in for one: it ends whatever hangs with interrupts on, and nothing
 * that turned them off. A board with a watchdog in hardware uses that.
 */
#include "board.h"
#include "machine.h"
#include "random.h"

#define TEST_DEVICE REGISTER32 (0x00100000)
#define TEST_DEVICE_RESET 0x7777u

#define MTIMECMP_LOW REGISTER32 (0x02004000)
#define MTIMECMP_HIGH REGISTER32 (0x02004004)
#define MTIME_LOW REGISTER32 (0x0200bff8)
#define MTIME_HIGH REGISTER32 (0x0200bffc)
#define TICKS_PER_MICROSECOND 10u
#define TICKS_PER_MILLISECOND (1000 * TICKS_PER_MICROSECOND)
#define NEVER UINT64_MAX

/* The interrupt controller: one source, the UART's, for hart 0 in machine mode. */
#define UART_SOURCE 10
#define PLIC_PRIORITY(source) REGISTER32 (0x0c000000 + 4 * (source))
#define PLIC_ENABLE REGISTER32 (0x0c002000)
#define PLIC_THRESHOLD REGISTER32 (0x0c200000)
#define PLIC_CLAIM REGISTER32 (0x0c200004)

#define CAUSE_TIMER 0x80000007u
#define CAUSE_EXTERNAL 0x8000000bu
#define TIMER_ENABLED (1u << 7) /* of mie */
#define EXTERNAL_ENABLED (1u << 11)

const char board_name [] = "riscv-virt";

/** Why a run ended, in RAM, which keeps its content over a reset. Anything else there: the power came on, or somebody pressed reset. */
#define ENDED_BY_SOFTWARE 0x534f4654u
#define ENDED_BY_WATCHDOG 0x57444f47u
#define ENDED_BY_FAULT 0x46415554u
static volatile struct {
    uint32_t end, address;
} last_run __attribute__ ((section (".noinit")));

static board_reset_cause_t cause;
static uint32_t fault_address;

/** 0: it is not on. */
static uint32_t watchdog_milliseconds;
static volatile uint64_t watchdog_bites = NEVER;

static uint64_t ticks (void)
{
    uint32_t high, low;
    do {
        high = MTIME_HIGH;
        low = MTIME_LOW;
    } while (high != MTIME_HIGH);
    return (uint64_t) high << 32 | low;
}

/** The timer interrupts at `tick`. In this order no value in between lies before both the old and the new one. */
static void interrupt_at (uint64_t tick)
{
    MTIMECMP_HIGH = UINT32_MAX;
    MTIMECMP_LOW = (uint32_t) tick;
    MTIMECMP_HIGH = (uint32_t) (tick >> 32);
}

static _Noreturn void end_run (uint32_t end, uint32_t address)
{
    last_run.end = end;
    last_run.address = address;
    for (;;) TEST_DEVICE = TEST_DEVICE_RESET;
}

static board_reset_cause_t cause_of (uint32_t end)
{
    switch (end) {
        case ENDED_BY_SOFTWARE: return BOARD_SOFTWARE_RESET;
        case ENDED_BY_WATCHDOG: return BOARD_WATCHDOG_RESET;
        case ENDED_BY_FAULT: return BOARD_FAULT_RESET;
        default: return BOARD_POWER_ON;
    }
}

void board_init (void)
{
    cause = cause_of (last_run.end);
    if (cause != BOARD_POWER_ON) fault_address = last_run.address;
    last_run.end = 0;
    interrupt_at (NEVER);
    uart_init ();
    PLIC_PRIORITY (UART_SOURCE) = 1;
    PLIC_ENABLE = 1u << UART_SOURCE;
    PLIC_THRESHOLD = 0;
    __asm__ volatile ("csrs mie, %0" :: "r" (TIMER_ENABLED | EXTERNAL_ENABLED));
    unlock_interrupts (INTERRUPTS_ENABLED);
    random_start ();
}

void board_trap (uint32_t why, uint32_t address)
{
    if (why == CAUSE_EXTERNAL) {
        const uint32_t source = PLIC_CLAIM;
        if (source == UART_SOURCE) uart_interrupt ();
        PLIC_CLAIM = source;
    } else if (why == CAUSE_TIMER && ticks () < watchdog_bites) {
        /* It woke board_idle. */
        interrupt_at (watchdog_bites);
    } else {
        end_run (why == CAUSE_TIMER ? ENDED_BY_WATCHDOG : ENDED_BY_FAULT, address);
    }
}

uint32_t board_millis (void)
{
    return (uint32_t) (ticks () / TICKS_PER_MILLISECOND);
}

uint32_t board_micros (void)
{
    return (uint32_t) (ticks () / TICKS_PER_MICROSECOND);
}

void board_watchdog_start (uint32_t milliseconds)
{
    watchdog_milliseconds = milliseconds;
    board_watchdog_feed ();
}

void board_watchdog_feed (void)
{
    if (watchdog_milliseconds == 0) return;
    const uint32_t lock = lock_interrupts ();
    watchdog_bites = ticks () + (uint64_t) watchdog_milliseconds * TICKS_PER_MILLISECOND;
    interrupt_at (watchdog_bites);
    unlock_interrupts (lock);
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
    end_run (ENDED_BY_SOFTWARE, 0);
}

void board_idle (void)
{
    /* An interrupt that comes between the look and wfi stays pending, and wfi returns at once; its handler runs when interrupts are on again. */
    const uint32_t lock = lock_interrupts ();
    const uint64_t soon = ticks () + TICKS_PER_MILLISECOND;
    if (soon < watchdog_bites) interrupt_at (soon);
    __asm__ volatile ("wfi");
    unlock_interrupts (lock);
}
