/** Registers of QEMU's "virt" machine, and its machine-mode interrupts. */
#ifndef HEDGE_RISCV_VIRT_MACHINE_H
#define HEDGE_RISCV_VIRT_MACHINE_H

#include <stdint.h>

#define REGISTER32(address) (* (volatile uint32_t *) (address))
#define REGISTER8(address) (* (volatile uint8_t *) (address))

#define INTERRUPTS_ENABLED 8u /* of mstatus: MIE */

/** Interrupts off. @returns what `unlock_interrupts` takes */
static inline uint32_t lock_interrupts (void)
{
    uint32_t before;
    __asm__ volatile ("csrrc %0, mstatus, %1" : "=r" (before) : "r" (INTERRUPTS_ENABLED) : "memory");
    return before & INTERRUPTS_ENABLED;
}

static inline void unlock_interrupts (uint32_t before)
{
    __asm__ volatile ("csrs mstatus, %0" :: "r" (before) : "memory");
}

/** From start.S: an interrupt, or a fault at `address`. */
void board_trap (uint32_t why, uint32_t address);

void uart_init (void);
/** For the UART's interrupt, with interrupts off. */
void uart_interrupt (void);

#endif
