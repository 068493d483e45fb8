/** Arm's MPS2 board with the FPGA image AN386 (and AN385, whose peripherals are the same): clock, addresses, interrupts. */
#ifndef HEDGE_HARDWARE_H
#define HEDGE_HARDWARE_H

#define BOARD_CLOCK_HZ 25000000u
#define BOARD_INTERRUPTS 32

#define BOARD_UART 0x40004000u
#define BOARD_UART_RX_INTERRUPT 0
#define BOARD_UART_TX_INTERRUPT 1
#define BOARD_TIMER 0x40000000u
#define BOARD_WATCHDOG 0x40008000u /* its interrupt is the NMI */
#define BOARD_LAN9118 0x40200000u
/** 16 MB of PSRAM, which the emulator keeps in a file: the first of it stands for the flash of models. */
#define BOARD_FLASH 0x21000000u

#endif
