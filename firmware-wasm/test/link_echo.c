/**
 * A device that sends each whole frame back, behind a UART of this process's input and output. Both give and take as many bytes at a time as
 * chance has it. A frame of type 31 is spoilt as soon as the link has taken it.
 */
#include "link_rig.h"

#include "check.h"
#include "random.h"

#include <string.h>

/** A frame that comes, and one that comes before the UART is read no further. */
#define PLACES 4
#define PLACE_BYTES 70000

#define SPOILT 31

typedef struct {
    uint8_t bytes [PLACE_BYTES];
    uint32_t length;
    hedge_frame_type type;
} place;

static place places [PLACES];
static uint32_t came, sent; /* frames */
static bool coming;
static bool at_end;

size_t board_uart_read (uint8_t * o_bytes, size_t room)
{
    // So few bytes end no more frames than there are places.
    const size_t most = came == sent && hedge_link_idle () ? random_below (16) : 0;
    const size_t count = fread (o_bytes, 1, most < room ? most : room, stdin);
    at_end = feof (stdin);
    return count;
}

size_t board_uart_write (const uint8_t * bytes, size_t length)
{
    const size_t most = random_below (300);
    return fwrite (bytes, 1, most < length ? most : length, stdout);
}

bool hedge_device_frame_begin (hedge_device * device, hedge_port * from, hedge_frame_type type, uint32_t length)
{
    (void) device;
    CHECK (from == hedge_link_port () && length == HEDGE_LENGTH_UNKNOWN && ! coming && came - sent < PLACES);
    coming = true;
    places [came % PLACES].type = type;
    places [came % PLACES].length = 0;
    return true;
}

void hedge_device_frame_data (hedge_device * device, hedge_port * from, const uint8_t * bytes, uint32_t length)
{
    (void) device;
    (void) from;
    CHECK (coming && length);
    place * p = & places [came % PLACES];
    const uint32_t room = PLACE_BYTES - p->length;
    const uint32_t taken = length < room ? length : room;
    memcpy (p->bytes + p->length, bytes, taken);
    p->length += taken;
}

void hedge_device_frame_end (hedge_device * device, hedge_port * from)
{
    (void) device;
    (void) from;
    CHECK (coming);
    coming = false;
    ++came;
}

void hedge_device_frame_abandon (hedge_device * device, hedge_port * from)
{
    (void) device;
    (void) from;
    CHECK (coming);
    coming = false;
}

void hedge_device_connected (hedge_device * device)
{
    (void) device;
}

void hedge_device_set_time (hedge_device * device, uint64_t epoch_ms)
{
    (void) device;
    (void) epoch_ms;
}

static void echo (void)
{
    place * p = & places [sent % PLACES];
    hedge_port * port = hedge_link_port ();
    if (came == sent || ! port->send (port, p->type, p->bytes, p->length)) return;
    if (p->type == SPOILT) memset (p->bytes, 0x55, p->length);
    ++sent;
}

int main (void)
{
    static const hedge_config config = { .id = "echo", .transport = HEDGE_OVER_UART };
    hedge_log_sink = hedge_link_log;
    hedge_link_start (& config);
    while (! at_end || came != sent || ! hedge_link_idle ())
    {
        ++now;
        hedge_link_poll (NULL);
        echo ();
    }
    return 0;
}
