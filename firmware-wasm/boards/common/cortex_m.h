/** What Cortex-M cores have in common: registers of the core, interrupts. */
#ifndef HEDGE_CORTEX_M_H
#define HEDGE_CORTEX_M_H

#include <stdint.h>

#define REGISTER32(address) (* (volatile uint32_t *) (uintptr_t) (address))

/** Lets an interrupt of the board through to its handler in the vector table. */
static inline void enable_interrupt (uint32_t number)
{
    REGISTER32 (0xe000e100u + 4 * (number / 32)) = 1u << number % 32; /* NVIC_ISER */
}

/** Has the handler called as if the interrupt had come. */
static inline void pend_interrupt (uint32_t number)
{
    REGISTER32 (0xe000e200u + 4 * (number / 32)) = 1u << number % 32; /* NVIC_ISPR */
}

/** Finds out why the board started; called first by board_init. */
void cortex_m_start (void);

#endif
