/**
 * The UART, an ns16550 with FIFOs of 16 bytes, by interrupts: while a step of the model runs nobody else moves bytes. When the ring is full they
 * stay in the FIFO, and a sender that minds RTS, as QEMU does, waits.
 */
#include "board.h"
#include "machine.h"
#include "ring.h"

#define UART 0x10000000u
#define DATA REGISTER8 (UART + 0)
#define INTERRUPTS REGISTER8 (UART + 1)
#define ON_RECEIVED 1u
#define ON_SENT 2u
#define FIFOS REGISTER8 (UART + 2)
#define FIFOS_ON 1u
#define FIFO_BYTES 16
#define LINE_FORMAT REGISTER8 (UART + 3)
#define EIGHT_BITS 3u
#define MODEM REGISTER8 (UART + 4)
#define DTR_RTS_INTERRUPT 0x0bu
#define LINE REGISTER8 (UART + 5)
#define LINE_RECEIVED 1u
#define LINE_SENT 0x20u

/** Holds the frame of a 3,072-byte sample, whatever the main loop is at. */
#define RX_BYTES 4096
#define TX_BYTES 512

static uint8_t rx_bytes [RX_BYTES], tx_bytes [TX_BYTES];
static ring rx = { rx_bytes, RX_BYTES, 0, 0 }, tx = { tx_bytes, TX_BYTES, 0, 0 };

void uart_init (void)
{
    LINE_FORMAT = EIGHT_BITS;
    FIFOS = FIFOS_ON;
    MODEM = DTR_RTS_INTERRUPT;
    INTERRUPTS = ON_RECEIVED;
}

void uart_interrupt (void)
{
    while (ring_room (& rx) && (LINE & LINE_RECEIVED)) ring_put (& rx, DATA);
    if (LINE & LINE_SENT)
        for (int room = FIFO_BYTES; room > 0 && ring_used (& tx); --room) DATA = ring_take (& tx);
    /* Only what would come to something: the interrupts are there as long as their reason is. */
    INTERRUPTS = (uint8_t) ((ring_room (& rx) ? ON_RECEIVED : 0) | (ring_used (& tx) ? ON_SENT : 0));
}

/** After a change of the rings from outside of the interrupt. */
static void rings_changed (void)
{
    const uint32_t lock = lock_interrupts ();
    uart_interrupt ();
    unlock_interrupts (lock);
}

size_t board_uart_read (uint8_t * o_bytes, size_t room)
{
    size_t count = 0;
    while (count < room && ring_used (& rx)) o_bytes [count++] = ring_take (& rx);
    if (count) rings_changed ();
    return count;
}

size_t board_uart_write (const uint8_t * bytes, size_t length)
{
    size_t count = 0;
    while (count < length && ring_room (& tx)) ring_put (& tx, bytes [count++]);
    if (count) rings_changed ();
    return count;
}
