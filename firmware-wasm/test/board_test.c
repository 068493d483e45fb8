/**
 * What a board provides (boards/board.h), tried from outside over its UART before there is anything else: `make BOARD=... board-test` builds it.
 *
 * A letter asks, a line of NAME=NUMBER answers; other bytes are passed over. docs/porting.md goes through them.
 *
 *   ?  why it started, RAM, the first word of the first slot
 *   c  the clock: sleeps for a second by board_millis, and compares board_micros
 *   b  is busy for 100 ms, then counts the bytes up to a zero, and their sum
 *   p  erases the first slot's first sector and programs a word, twice
 *   n  16 random bytes
 *   r  resets
 *   w  starts the watchdog with 700 ms, feeds it for 1,000, says so, and hangs
 *   f  writes where no memory is
 *   o  recurses until the stack overflows
 *   e  Ethernet: starts, says whether the link is up, and asks 20 times by ARP for the address that follows as four bytes
 *   l  the Ethernet link
 */
#include <string.h>

#include "board.h"

/** Where no board here has memory. */
#define NOWHERE 0xf0000000u

static void put (const char * text)
{
    size_t left = strlen (text);
    while (left > 0) {
        const size_t taken = board_uart_write ((const uint8_t *) text, left);
        text += taken;
        left -= taken;
    }
}

static void put_number (const char * name, uint32_t value)
{
    char digits [12] = { 0 };
    char * at = digits + sizeof digits - 1;
    do {
        * --at = (char) ('0' + value % 10);
        value /= 10;
    } while (value > 0);
    put (name);
    put ("=");
    put (at);
    put (" ");
}

static uint32_t first_word (void)
{
    uint32_t word;
    memcpy (& word, board_flash.memory + board_flash.slot_offset [0], sizeof word);
    return word;
}

static void describe (void)
{
    put (board_name);
    put (" ");
    put_number ("cause", board_reset_cause ());
    put_number ("fault", board_fault_address ());
    put_number ("stack_peak", board_stack_peak ());
    put_number ("stack", board_stack_bytes ());
    put_number ("statics", board_static_bytes ());
    put_number ("ram", board_ram_bytes ());
    put_number ("word", first_word ());
    put ("\n");
}

/** The microseconds are read before and after the milliseconds, for an emulator may pause in between. */
static void try_clock (void)
{
    const uint32_t before = board_micros (), millis = board_millis (), after = board_micros ();
    while (board_millis () - millis < 1000) board_idle ();
    put_number ("least", board_micros () - after);
    put_number ("millis", board_millis () - millis);
    put_number ("most", board_micros () - before);
    put ("\n");
}

static void be_busy (uint32_t milliseconds)
{
    const uint32_t start = board_millis ();
    while (board_millis () - start < milliseconds) { }
}

static void try_burst (void)
{
    be_busy (100);
    uint32_t count = 0, sum = 0;
    for (uint8_t byte = 1; byte != 0;) {
        if (!board_uart_read (& byte, 1)) continue;
        sum += byte;
        ++count;
    }
    put_number ("count", count);
    put_number ("sum", sum);
    put ("\n");
}

static void try_flash (void)
{
    const hedge_flash * flash = & board_flash;
    const uint32_t slot = flash->slot_offset [0];
    uint8_t bytes [HEDGE_FLASH_UNIT];
    memset (bytes, 0xff, sizeof bytes);
    memcpy (bytes, "\x0f\x55\x00\x33", 4);
    const bool good = flash->erase (flash, slot) && flash->program (flash, slot, bytes, sizeof bytes)
        && flash->program (flash, slot, bytes, sizeof bytes);
    put_number ("good", good);
    put_number ("word", first_word ());
    put_number ("behind", flash->memory [slot + sizeof bytes]);
    put ("\n");
}

static void try_random (void)
{
    uint8_t bytes [16];
    board_random (bytes, sizeof bytes);
    for (uint32_t i = 0; i < sizeof bytes; ++i) put_number ("byte", bytes [i]);
    put ("\n");
}

static void try_watchdog (void)
{
    board_watchdog_start (700);
    const uint32_t start = board_millis ();
    while (board_millis () - start < 1000) board_watchdog_feed ();
    put ("fed\n");
    for (;;) { }
}

/** Some 100 bytes of stack for each level. */
static __attribute__ ((noinline)) uint32_t dive (uint32_t levels)
{
    volatile uint32_t frame [24];
    for (uint32_t i = 0; i < 24; ++i) frame [i] = levels;
    return levels > 0 ? dive (levels - 1) + frame [levels % 24] : frame [0];
}

#if HEDGE_ETHERNET

static const uint8_t mac [6] = { 2, 'h', 'e', 'd', 'g', 'e' };

static void read_all (uint8_t * o_bytes, size_t length)
{
    for (size_t count = 0; count < length;) count += board_uart_read (o_bytes + count, length - count);
}

/** Whether an answer to a question by ARP comes within seconds. */
static bool ask_for (const uint8_t address [4])
{
    uint8_t frame [60] = { 0 };
    memset (frame, 0xff, 6);
    memcpy (frame + 6, mac, 6);
    memcpy (frame + 12, "\x08\x06\0\1\x08\0\6\4\0\1", 10);
    memcpy (frame + 22, mac, 6);
    memcpy (frame + 38, address, 4);
    /* In odd pieces, as a chain of buffers may come. */
    if (!board_ethernet_send_begin (sizeof frame)) return false;
    board_ethernet_send (frame, 13);
    board_ethernet_send (frame + 13, sizeof frame - 13);
    board_ethernet_send_end ();

    const uint32_t start = board_millis ();
    while (board_millis () - start < 5000) {
        const size_t length = board_ethernet_next ();
        if (length < 42) continue;
        board_ethernet_read (frame, 21);
        board_ethernet_read (frame + 21, 21);
        if (memcmp (frame + 12, "\x08\x06", 2) == 0 && frame [21] == 2 && memcmp (frame + 28, address, 4) == 0) return true;
    }
    return false;
}

static void try_ethernet (void)
{
    uint8_t address [4];
    read_all (address, sizeof address);
    const bool there = board_ethernet_start (mac);
    put_number ("there", there);
    uint32_t answers = 0;
    for (int i = 0; there && i < 20; ++i) answers += ask_for (address);
    put_number ("answers", answers);
    put ("\n");
}

static void show_link (void)
{
    put_number ("link", board_ethernet_link_up ());
    put ("\n");
}

#endif

static void obey (char letter)
{
    switch (letter) {
    case '?': describe (); break;
    case 'c': try_clock (); break;
    case 'b': try_burst (); break;
    case 'p': try_flash (); break;
    case 'n': try_random (); break;
    case 'r': board_reset ();
    case 'w': try_watchdog (); break;
    case 'f': * (volatile uint32_t *) NOWHERE = 0; break;
    case 'o': put_number ("dive", dive (100000)); break;
#if HEDGE_ETHERNET
    case 'e': try_ethernet (); break;
    case 'l': show_link (); break;
#endif
    default: break;
    }
}

int main (void)
{
    board_init ();
    describe ();
    for (;;) {
        uint8_t letter;
        if (board_uart_read (& letter, 1)) obey ((char) letter);
        else board_idle ();
    }
}
