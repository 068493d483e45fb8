/**
 * The link: frames over a UART, for boards without a network and for the log of those with one.
 *
 * On the line: COBS(channel, content, CRC-32 of both, little-endian), then 0x00. A frame that is damaged, too long or unknown is dropped and
 * counted; what needs an answer is asked again by whoever needs it. Channels 1 ... 31 carry the frames of frames.h by their type.
 */
#ifndef HEDGE_LINK_H
#define HEDGE_LINK_H

#include "device.h"

typedef enum {
    /** Device -> host: a line of text. */
    HEDGE_LINK_LOG = 32,
    /**
     * Device -> host, at start, in answer to each HOST frame, and every second while the host is silent: version (u8), flags (u8: bit 0 the link
     * is the device's network, bit 1 it hears no host), then the device's id.
     */
    HEDGE_LINK_HELLO = 33,
    /**
     * Host -> device, at least every 2 s: flags (u8: bit 0 the broker is there, bit 1 the time is valid), ms from the epoch (u64 LE). After 6 s of
     * silence the host is gone.
     */
    HEDGE_LINK_HOST = 34
} hedge_link_channel;

#define HEDGE_LINK_VERSION 1

/** Whose link it is: `config->id`, and whether the link is its network. `config` stays where it is. */
void hedge_link_start (const hedge_config * config);

/** Takes what came in, gives frames on to the device, says HELLO when it is time, and writes what waits. Never waits itself. */
void hedge_link_poll (hedge_device * device);

/**
 * Frames beyond what small ones need are not copied, but read from where they lie until they are out. Their CRC is made first: one that is
 * changed meanwhile is dropped by the host, as any damaged one.
 */
hedge_port * hedge_link_port (void);

/** For hedge_log_sink: the line is written later, or dropped and counted when there is no room. */
void hedge_link_log (const char * line, uint32_t length);

/** Whether all that was to be sent has gone to the UART. */
bool hedge_link_idle (void);

#endif
