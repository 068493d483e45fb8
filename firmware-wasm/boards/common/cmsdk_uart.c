/**
 * CMSDK's UART. It holds one byte each way, so interrupts move bytes from and to rings: while a step of the model runs nobody else does.
 */
#include "board.h"
#include "cmsdk.h"
#include "cortex_m.h"
#include "hardware.h"
#include "ring.h"

#define BAUD 115200u

/** What may come while the main loop is busy; a power of two. 4 KB hold the frame of a 3,072-byte sample: 270 ms at 115,200 baud. */
#ifndef BOARD_UART_RX_BYTES
#define BOARD_UART_RX_BYTES 4096
#endif
#define TX_BYTES 256

#define DATA REGISTER32 (BOARD_UART + 0x00)
#define STATE REGISTER32 (BOARD_UART + 0x04)
#define STATE_TX_FULL 1u
#define STATE_RX_FULL 2u
#define CONTROL REGISTER32 (BOARD_UART + 0x08)
#define CONTROL_ALL 0xfu /* both directions, and their interrupts */
#define INTERRUPTS REGISTER32 (BOARD_UART + 0x0c) /* written: cleared */
#define BAUD_DIVIDER REGISTER32 (BOARD_UART + 0x10)

static uint8_t rx_bytes [BOARD_UART_RX_BYTES], tx_bytes [TX_BYTES];
static ring rx = { rx_bytes, BOARD_UART_RX_BYTES, 0, 0 }, tx = { tx_bytes, TX_BYTES, 0, 0 };

void cmsdk_uart_start (void)
{
    BAUD_DIVIDER = BOARD_CLOCK_HZ / BAUD;
    CONTROL = CONTROL_ALL;
    enable_interrupt (BOARD_UART_RX_INTERRUPT);
    enable_interrupt (BOARD_UART_TX_INTERRUPT);
}

void cmsdk_uart_interrupt (void)
{
    INTERRUPTS = INTERRUPTS;
    /* A byte for which there is no room stays where it is: an emulator waits then, a line at full speed loses it, and the frame's CRC tells. */
    while ((STATE & STATE_RX_FULL) && ring_room (& rx)) ring_put (& rx, (uint8_t) DATA);
    while (!(STATE & STATE_TX_FULL) && ring_used (& tx)) DATA = ring_take (& tx);
}

void cmsdk_uart_drain (void)
{
    const uint32_t start = board_millis ();
    while ((ring_used (& tx) || (STATE & STATE_TX_FULL)) && board_millis () - start < 100) { }
}

size_t board_uart_read (uint8_t * o_bytes, size_t room)
{
    size_t count = 0;
    while (count < room && ring_used (& rx)) o_bytes [count++] = ring_take (& rx);
    /* A byte that found no room raises no other interrupt. */
    if (count && (STATE & STATE_RX_FULL)) pend_interrupt (BOARD_UART_RX_INTERRUPT);
    return count;
}

size_t board_uart_write (const uint8_t * bytes, size_t length)
{
    size_t count = 0;
    while (count < length && ring_room (& tx)) ring_put (& tx, bytes [count++]);
    if (count) pend_interrupt (BOARD_UART_TX_INTERRUPT);
    return count;
}
