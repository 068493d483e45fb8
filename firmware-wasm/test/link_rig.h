/** The link on a rig: a UART, a clock and a device of the test's, in place of a board and its core. */
#ifndef HEDGE_LINK_RIG_H
#define HEDGE_LINK_RIG_H

#include "board.h"
#include "crypto.h"
#include "link.h"
#include "log.h"

static uint32_t now;

uint32_t board_millis (void)
{
    return now;
}

/** Bit by bit, as the polynomial says. */
uint32_t hedge_crc32 (uint32_t crc, const uint8_t * bytes, uint32_t length)
{
    crc = ~ crc;
    while (length--)
    {
        crc ^= * bytes++;
        for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
    }
    return ~ crc;
}

#endif
