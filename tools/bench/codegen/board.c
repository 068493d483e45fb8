/**
 * What a program needs to run on QEMU's mps2-an386 (Cortex-M4): the vector table. newlib's start-up code does the rest; files,
 * arguments and output go through semihosting.
 */
#include <stdint.h>

extern uint32_t stack_top;
extern void _start (void);

/** A fault within a fault's handler: QEMU stops with an error. */
static void fault (void)
{
    __builtin_trap ();
}

__attribute__ ((section (".vectors"), used))
static void * const vectors [16] = { & stack_top, _start, fault, fault, fault, fault, fault };
