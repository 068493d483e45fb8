/** Peripherals of Arm's Cortex-M System Design Kit (DDI 0479), at the addresses of a board's hardware.h. */
#ifndef HEDGE_CMSDK_H
#define HEDGE_CMSDK_H

/** The board's clock counts from here on. */
void cmsdk_timer_start (void);

void cmsdk_uart_start (void);
/** Waits until all that was written is out, which takes 23 ms at most; goes on after 100 ms in any case. */
void cmsdk_uart_drain (void);
/** For both of the UART's interrupts. */
void cmsdk_uart_interrupt (void);

#endif
