/**
 * The link: frames over a UART, for boards without a network and for the log of those with one.
 *
 * On the line: COBS(channel, content, CRC-32 of both, little-endian), then 0x00. A frame that is damaged, too long or unknown is dropped and
 * counted; what needs an answer is asked again by whoever needs it. Channels 1 ... 31 carry the frames of frames.h by their type.
 */
#ifndef HEDGE_LINK_H
#define HEDGE_LINK_H

#include <stdbool.h>
#include <stdint.h>

typedef enum {
    HEDGE_LINK_LOG = 32,   /* device -> host: a line of text */
    HEDGE_LINK_HELLO = 33, /* device -> host, at start, when asked, and every second while the host is silent: protocol version (u8), then the device's id */
    HEDGE_LINK_HOST = 34   /* host -> device, at least every 2 s: flags (u8: bit 0 the broker is there, bit 1 time is valid), ms from the epoch (u64 LE). Silence of 6 s: the host is gone */
} hedge_link_channel;

#define HEDGE_LINK_VERSION 1

#endif
