/**
 * The link over the board's UART; link.h says what is on the line. Incoming frames are decoded on the fly. Outgoing ones wait in one buffer, but a
 * large one is encoded from where it lies, as the UART takes its bytes.
 */
#include "link.h"

#include <string.h>

#include "board.h"
#include "crypto.h"
#include "log.h"

/** Bytes on the line for a content of so many: channel and CRC, a COBS code per 254 bytes and one more, the 0x00. */
#define LINE_BYTES(content) ((content) + 5 + ((content) + 5) / 254 + 2)

/** Encoded bytes that may wait for the UART: small frames and lines of the log. */
#ifndef HEDGE_LINK_TX_BYTES
#define HEDGE_LINK_TX_BYTES 768
#endif
_Static_assert (HEDGE_LINK_TX_BYTES >= LINE_BYTES (HEDGE_SMALL_FRAME_LIMIT), "small frames fit");

#define CRC_BYTES 4
#define HOST_BYTES 9
#define HELLO_EVERY_MS 1000
#define REPORT_EVERY_MS 1000
#define SILENT_MS 6000
/** Read per poll at most, so that a flood leaves the rest of the firmware its turn. */
#define READ_LIMIT 4096

#define HELLO_IS_NETWORK 1u
#define HELLO_NO_HOST 2u
#define HOST_HAS_BROKER 1u
#define HOST_HAS_TIME 2u

/** Of the frame coming in. */
static struct {
    uint8_t code;   /* of the COBS block under way, 0 before the first */
    uint8_t left;   /* of its bytes */
    bool any;       /* the channel is known */
    bool skip;      /* damaged, or nobody wants it */
    bool to_device; /* the device has been told of it */
    uint8_t channel;
    uint8_t tail [CRC_BYTES], held; /* the last bytes so far: the CRC, if the frame ends here */
    uint8_t host [HOST_BYTES];
    uint32_t length; /* of the content so far */
    uint32_t crc;
    uint32_t begun_at; /* board_millis */
} incoming;

/** A frame on its way out: the bytes of channel, content and CRC in turn, in COBS blocks. */
typedef struct {
    const uint8_t * content;
    uint32_t length, crc;
    uint8_t channel;
    enum { AT_CODE, IN_BLOCK, AT_END, OVER } state;
    uint32_t at;   /* of channel, content and CRC taken as one */
    uint32_t left; /* bytes of the block */
    bool goes_on;  /* another block follows this one */
    bool to_zero;  /* over a zero, which no block holds */
} encoder;

/** A ring of encoded bytes. */
static struct {
    uint8_t bytes [HEDGE_LINK_TX_BYTES];
    uint32_t first, count;
} outgoing;

/** The large frame under way; it starts when the ring is empty, and then the ring waits for its end. */
static struct {
    encoder frame;
    bool waits, runs;
    uint8_t next; /* the byte that the UART has yet to take */
} large;

static struct {
    hedge_port port;
    const hedge_config * config;
    bool is_network;
    bool hears_anyone;           /* a whole frame came lately */
    bool hears_host, has_broker; /* what HOST frames said */
    bool hello_due;
    uint32_t heard_at, host_at, hello_at, report_at; /* board_millis */
    uint32_t dropped, lost_lines;                    /* since they were last reported */
} link;

/* Out. */

static void start_encoder (encoder * o_frame, uint8_t channel, const uint8_t * content, uint32_t length)
{
    const uint32_t crc = hedge_crc32 (hedge_crc32 (0, & channel, 1), content, length);
    * o_frame = (encoder) { .content = content, .length = length, .crc = crc, .channel = channel };
}

static uint8_t plain_byte (const encoder * frame, uint32_t at)
{
    if (! at) return frame->channel;
    return at <= frame->length ? frame->content [at - 1] : (uint8_t) (frame->crc >> 8 * (at - 1 - frame->length));
}

/** The code of the block that begins here. */
static uint8_t begin_block (encoder * io)
{
    const uint32_t all = 1 + io->length + CRC_BYTES;
    uint32_t run = 0;
    while (run < 254 && io->at + run < all && plain_byte (io, io->at + run)) ++run;
    io->left = run;
    io->to_zero = run < 254 && io->at + run < all;
    io->goes_on = io->to_zero || io->at + run < all;
    return (uint8_t) (run + 1);
}

/** The next byte on the line. Not to be asked of a frame that is over. */
static uint8_t next_byte (encoder * io)
{
    uint8_t byte = 0;
    if (io->state == AT_END)
    {
        io->state = OVER;
        return byte;
    }
    if (io->state == AT_CODE) byte = begin_block (io);
    else
    {
        byte = plain_byte (io, io->at++);
        --io->left;
    }
    if (io->left) io->state = IN_BLOCK;
    else
    {
        io->at += io->to_zero;
        io->state = io->goes_on ? AT_CODE : AT_END;
    }
    return byte;
}

static bool send_frame (uint8_t channel, const uint8_t * content, uint32_t length)
{
    if (LINE_BYTES (length) > HEDGE_LINK_TX_BYTES - outgoing.count) return false;
    encoder frame;
    for (start_encoder (& frame, channel, content, length); frame.state != OVER; ++outgoing.count)
        outgoing.bytes [(outgoing.first + outgoing.count) % HEDGE_LINK_TX_BYTES] = next_byte (& frame);
    return true;
}

static bool send_large (uint8_t channel, const uint8_t * content, uint32_t length)
{
    if (large.waits || large.runs) return false;
    start_encoder (& large.frame, channel, content, length);
    large.waits = true;
    return true;
}

/** False when the UART takes no more. */
static bool write_ring (void)
{
    while (outgoing.count)
    {
        const uint32_t to_end = HEDGE_LINK_TX_BYTES - outgoing.first;
        const uint32_t run = outgoing.count < to_end ? outgoing.count : to_end;
        const uint32_t taken = (uint32_t) board_uart_write (outgoing.bytes + outgoing.first, run);
        if (! taken) return false;
        outgoing.first = (outgoing.first + taken) % HEDGE_LINK_TX_BYTES;
        outgoing.count -= taken;
    }
    return true;
}

static bool write_large (void)
{
    while (large.runs)
    {
        if (! board_uart_write (& large.next, 1)) return false;
        if (large.frame.state == OVER) large.runs = false;
        else large.next = next_byte (& large.frame);
    }
    return true;
}

static void write_out (void)
{
    if (! write_large () || ! write_ring () || ! large.waits) return;
    large.waits = false;
    large.runs = true;
    large.next = next_byte (& large.frame);
    if (write_large ()) write_ring ();
}

static void say_hello (void)
{
    uint8_t hello [2 + sizeof link.config->id];
    const uint32_t id_bytes = (uint32_t) strlen (link.config->id);
    hello [0] = HEDGE_LINK_VERSION;
    hello [1] = (uint8_t) ((link.is_network ? HELLO_IS_NETWORK : 0) | (link.hears_host ? 0 : HELLO_NO_HOST));
    memcpy (hello + 2, link.config->id, id_bytes);
    if (! send_frame (HEDGE_LINK_HELLO, hello, 2 + id_bytes)) return;
    link.hello_due = false;
    link.hello_at = board_millis ();
}

static void report (void)
{
    if ((! link.dropped && ! link.lost_lines) || board_millis () - link.report_at < REPORT_EVERY_MS) return;
    // Not to be lost itself, and the counts with it.
    if (LINE_BYTES (HEDGE_LOG_LINE) > HEDGE_LINK_TX_BYTES - outgoing.count) return;
    link.report_at = board_millis ();
    const unsigned dropped = link.dropped, lost = link.lost_lines;
    link.dropped = link.lost_lines = 0;
    hedge_log ("link: %u damaged or unknown frames dropped, %u lines of the log lost", dropped, lost);
}

/* In. */

static void host_spoke (hedge_device * device)
{
    uint64_t now = 0;
    for (int i = 0; i < 8; ++i) now |= (uint64_t) incoming.host [1 + i] << (8 * i);
    const uint8_t flags = incoming.host [0];
    link.hears_host = link.hello_due = true;
    link.host_at = board_millis ();
    if ((flags & HOST_HAS_TIME) && (link.is_network || ! link.config->time_server [0])) hedge_device_set_time (device, now);
    const bool has_broker = flags & HOST_HAS_BROKER;
    // The device hears of the connection before it may use it.
    if (link.is_network && has_broker && ! link.has_broker) hedge_device_connected (device);
    link.has_broker = has_broker;
}

static void content_comes (hedge_device * device, const uint8_t * bytes, uint32_t length)
{
    incoming.crc = hedge_crc32 (incoming.crc, bytes, length);
    if (incoming.to_device) hedge_device_frame_data (device, hedge_link_port (), bytes, length);
    else if (incoming.length < HOST_BYTES && length <= HOST_BYTES - incoming.length) memcpy (incoming.host + incoming.length, bytes, length);
    incoming.length += length;
}

static void channel_comes (hedge_device * device, uint8_t channel)
{
    incoming.any = true;
    incoming.channel = channel;
    incoming.crc = hedge_crc32 (0, & channel, 1);
    if (channel == HEDGE_LINK_HOST) return;
    incoming.to_device = channel < HEDGE_LINK_LOG
        && hedge_device_frame_begin (device, hedge_link_port (), (hedge_frame_type) channel, HEDGE_LENGTH_UNKNOWN);
    incoming.skip = ! incoming.to_device;
    link.dropped += incoming.skip;
}

/** Decoded bytes. The last four are kept back: they may be the CRC. */
static void decoded (hedge_device * device, const uint8_t * bytes, uint32_t length)
{
    if (length && ! incoming.any && ! incoming.skip)
    {
        channel_comes (device, * bytes++);
        --length;
    }
    if (incoming.skip || ! length) return;
    const uint32_t all = incoming.held + length;
    const uint32_t given = all > CRC_BYTES ? all - CRC_BYTES : 0;
    const uint32_t of_tail = given < incoming.held ? given : incoming.held;
    const uint32_t of_bytes = given - of_tail;
    if (of_tail) content_comes (device, incoming.tail, of_tail);
    if (of_bytes) content_comes (device, bytes, of_bytes);
    incoming.held = (uint8_t) (incoming.held - of_tail);
    memmove (incoming.tail, incoming.tail + of_tail, incoming.held);
    memcpy (incoming.tail + incoming.held, bytes + of_bytes, length - of_bytes);
    incoming.held = (uint8_t) (incoming.held + length - of_bytes);
}

static bool is_whole (void)
{
    const uint8_t * t = incoming.tail;
    return incoming.any && ! incoming.left && incoming.held == CRC_BYTES
        && incoming.crc == ((uint32_t) t [0] | (uint32_t) t [1] << 8 | (uint32_t) t [2] << 16 | (uint32_t) t [3] << 24);
}

static void frame_ends (hedge_device * device)
{
    if (incoming.code && ! incoming.skip)
    {
        const bool whole = is_whole () && (incoming.to_device || incoming.length == HOST_BYTES);
        if (whole)
        {
            link.hears_anyone = true;
            link.heard_at = board_millis ();
        }
        else ++link.dropped;
        if (incoming.to_device) (whole ? hedge_device_frame_end : hedge_device_frame_abandon) (device, hedge_link_port ());
        else if (whole) host_spoke (device);
    }
    memset (& incoming, 0, sizeof incoming);
}

static void received (hedge_device * device, const uint8_t * bytes, uint32_t length)
{
    static const uint8_t zero = 0;
    while (length)
    {
        if (! * bytes)
        {
            frame_ends (device);
            ++bytes;
            --length;
            continue;
        }
        if (! incoming.left)
        {
            // A block of less than 254 bytes stands for a zero behind it, unless the frame ends there.
            if (incoming.code && incoming.code < 0xFF) decoded (device, & zero, 1);
            if (! incoming.code) incoming.begun_at = board_millis ();
            incoming.code = * bytes++;
            incoming.left = (uint8_t) (incoming.code - 1);
            --length;
            continue;
        }
        const uint32_t most = length < incoming.left ? length : incoming.left;
        const uint8_t * end = memchr (bytes, 0, most);
        const uint32_t run = end ? (uint32_t) (end - bytes) : most;
        decoded (device, bytes, run);
        incoming.left = (uint8_t) (incoming.left - run);
        bytes += run;
        length -= run;
    }
}

/* The port. */

static bool is_ready (hedge_port * port)
{
    (void) port;
    return link.hears_anyone;
}

static bool is_online (hedge_port * port)
{
    (void) port;
    return link.has_broker;
}

static bool send_by_port (hedge_port * port, hedge_frame_type type, const uint8_t * frame, uint32_t length)
{
    (void) port;
    return (LINE_BYTES (length) > HEDGE_LINK_TX_BYTES ? send_large : send_frame) ((uint8_t) type, frame, length);
}

hedge_port * hedge_link_port (void)
{
    return & link.port;
}

void hedge_link_log (const char * line, uint32_t length)
{
    if (! send_frame (HEDGE_LINK_LOG, (const uint8_t *) line, length)) ++link.lost_lines;
}

bool hedge_link_idle (void)
{
    return ! outgoing.count && ! large.waits && ! large.runs;
}

void hedge_link_start (const hedge_config * config)
{
    link.port = (hedge_port) { .ready = is_ready, .online = is_online, .send = send_by_port };
    link.config = config;
    link.is_network = config->transport == HEDGE_OVER_UART;
    link.hello_due = true;
}

void hedge_link_poll (hedge_device * device)
{
    uint8_t bytes [64];
    for (uint32_t limit = READ_LIMIT; limit; limit -= sizeof bytes)
    {
        const uint32_t count = (uint32_t) board_uart_read (bytes, sizeof bytes);
        if (! count) break;
        received (device, bytes, count);
    }
    if (link.hears_host && board_millis () - link.host_at >= SILENT_MS) link.hears_host = link.has_broker = false;
    if (link.hears_anyone && board_millis () - link.heard_at >= SILENT_MS) link.hears_anyone = false;
    // Noise, or of a sender who is gone: it would keep a place of the device's queue.
    if (incoming.code && board_millis () - incoming.begun_at >= SILENT_MS) frame_ends (device);
    if (! link.hears_host && board_millis () - link.hello_at >= HELLO_EVERY_MS) link.hello_due = true;
    if (link.hello_due) say_hello ();
    report ();
    write_out ();
}
