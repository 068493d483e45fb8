/** What a board provides: everything that differs between boards, and nothing else. docs/porting.md walks through it. */
#ifndef HEDGE_BOARD_H
#define HEDGE_BOARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "flash.h"

/** As `hedge boards` calls it. */
extern const char board_name [];

/** Clocks, pins and peripherals; called once, before anything else here. */
void board_init (void);

/** Since the start; wraps around. */
uint32_t board_millis (void);
uint32_t board_micros (void);

/** From then on the board resets unless it is fed every so many milliseconds. */
void board_watchdog_start (uint32_t milliseconds);
void board_watchdog_feed (void);

typedef enum {
    BOARD_POWER_ON = 0, /* or the reset pin */
    BOARD_SOFTWARE_RESET = 1,
    BOARD_WATCHDOG_RESET = 2,
    BOARD_FAULT_RESET = 3 /* the program ran into a fault, its handler reset the board */
} board_reset_cause_t;
board_reset_cause_t board_reset_cause (void);
/** Where the program was when the watchdog bit or the fault came; 0: not known. */
uint32_t board_fault_address (void);
_Noreturn void board_reset (void);

/** Nothing to do until the next interrupt or for a millisecond: sleep if the board can. */
void board_idle (void);

/** Bytes that nobody can guess, for TLS and sessions. A board without a generator stretches the seed in its flash. */
void board_random (uint8_t * o_bytes, size_t length);

/** Neither waits: bytes taken or given, 0 for none. */
size_t board_uart_read (uint8_t * o_bytes, size_t room);
size_t board_uart_write (const uint8_t * bytes, size_t length);

extern const hedge_flash board_flash;

/** RAM for the Description frame: painted stack and linker symbols. */
uint32_t board_stack_peak (void);
uint32_t board_stack_bytes (void);
uint32_t board_static_bytes (void);
uint32_t board_ram_bytes (void);

/* Ethernet, where HEDGE_ETHERNET is 1. */

/** False when the controller does not answer. */
bool board_ethernet_start (const uint8_t mac [6]);
bool board_ethernet_link_up (void);
/** The next received frame's length, 0 for none; then its bytes in pieces that add up to that length. */
size_t board_ethernet_next (void);
void board_ethernet_read (uint8_t * o_bytes, size_t length);
/** A frame in pieces: `begin` is false when the controller has no room. */
bool board_ethernet_send_begin (size_t length);
void board_ethernet_send (const uint8_t * bytes, size_t length);
void board_ethernet_send_end (void);

#endif
