/** Arm's MPS2 board with the FPGA image AN505, in the secure state that it starts in: clock, addresses, interrupts. */
#ifndef HEDGE_HARDWARE_H
#define HEDGE_HARDWARE_H

#define BOARD_CLOCK_HZ 20000000u
#define BOARD_INTERRUPTS 124

#define BOARD_UART 0x40200000u
#define BOARD_UART_RX_INTERRUPT 32
#define BOARD_UART_TX_INTERRUPT 33
#define BOARD_TIMER 0x40000000u
#define BOARD_WATCHDOG 0x50081000u /* the secure one: its interrupt is the NMI */
#define BOARD_LAN9118 0x42000000u
/** 16 MB of PSRAM, which the emulator keeps in a file: the first of it stands for the flash of models. */
#define BOARD_FLASH 0x80000000u

#endif
