/** What the link does by the clock, and when there is no room: the UART and the clock are the test's. */
#include "link_rig.h"

#include "check.h"

#include <string.h>

static uint8_t line_in [4096], line_out [65536];
static uint32_t in_bytes, in_taken, out_bytes, out_limit;
static uint32_t connections, frames_ended, frames_abandoned;
static uint64_t told_time;
static bool online_when_connected;
static const hedge_config uart_config = { .id = "porch", .transport = HEDGE_OVER_UART };
static const hedge_config mqtt_config = { .id = "porch", .transport = HEDGE_OVER_MQTT, .time_server = "pool" };

size_t board_uart_read (uint8_t * o_bytes, size_t room)
{
    const size_t left = in_bytes - in_taken, count = left < room ? left : room;
    memcpy (o_bytes, line_in + in_taken, count);
    in_taken += (uint32_t) count;
    return count;
}

size_t board_uart_write (const uint8_t * bytes, size_t length)
{
    const size_t left = out_limit - out_bytes, count = left < length ? left : length;
    memcpy (line_out + out_bytes, bytes, count);
    out_bytes += (uint32_t) count;
    return count;
}

bool hedge_device_frame_begin (hedge_device * device, hedge_port * from, hedge_frame_type type, uint32_t length)
{
    (void) device, (void) from, (void) length;
    return type == HEDGE_FRAME_COMMAND;
}

void hedge_device_frame_data (hedge_device * device, hedge_port * from, const uint8_t * bytes, uint32_t length)
{
    (void) device, (void) from, (void) bytes, (void) length;
}

void hedge_device_frame_end (hedge_device * device, hedge_port * from)
{
    (void) device, (void) from;
    ++frames_ended;
}

void hedge_device_frame_abandon (hedge_device * device, hedge_port * from)
{
    (void) device, (void) from;
    ++frames_abandoned;
}

void hedge_device_connected (hedge_device * device)
{
    (void) device;
    ++connections;
    online_when_connected = hedge_link_port ()->online (hedge_link_port ());
}

void hedge_device_set_time (hedge_device * device, uint64_t epoch_ms)
{
    (void) device;
    told_time = epoch_ms;
}

/** Appends a frame to what the UART has to read; its content is short and the CRC comes out without a zero. */
static void put_frame (uint8_t channel, const uint8_t * content, uint32_t length)
{
    uint8_t plain [64];
    plain [0] = channel;
    memcpy (plain + 1, content, length);
    const uint32_t crc = hedge_crc32 (0, plain, length + 1);
    for (int i = 0; i < 4; ++i) plain [1 + length + i] = (uint8_t) (crc >> 8 * i);
    uint8_t * code = & line_in [in_bytes++];
    * code = 1;
    for (uint32_t i = 0; i < length + 5; ++i)
    {
        if (plain [i])
        {
            line_in [in_bytes++] = plain [i];
            ++* code;
            continue;
        }
        code = & line_in [in_bytes++];
        * code = 1;
    }
    line_in [in_bytes++] = 0;
}

static void put_host (uint8_t flags, uint64_t time)
{
    uint8_t content [9] = { flags };
    for (int i = 0; i < 8; ++i) content [1 + i] = (uint8_t) (time >> 8 * i);
    put_frame (HEDGE_LINK_HOST, content, sizeof content);
}

/** The link as after a reset, its line empty and as fast as can be. */
static void start (const hedge_config * config)
{
    in_bytes = in_taken = out_bytes = 0;
    out_limit = sizeof line_out;
    // Of the test before: its host falls silent, and what it left goes out.
    now += 60000;
    hedge_link_start (config);
    do hedge_link_poll (NULL);
    while (! hedge_link_idle ());
    out_bytes = 0;
    connections = frames_ended = frames_abandoned = 0;
    told_time = 0;
    hedge_log_sink = hedge_link_log;
}

static void poll (void)
{
    hedge_link_poll (NULL);
}

/** Frames of a channel among what was written, and the second byte of the last one's content. */
static uint32_t count_written (uint8_t channel, uint8_t * o_flags)
{
    uint32_t count = 0;
    // The first byte on the line is a code, so the channel follows; a HELLO holds no zero in its first bytes but the flags.
    for (uint32_t at = 0; at < out_bytes; ++at)
    {
        if (line_out [at + 1] == channel)
        {
            ++count;
            const bool zero_flags = line_out [at] == 3;
            if (o_flags) * o_flags = zero_flags ? 0 : line_out [at + 3];
        }
        while (line_out [at]) ++at;
    }
    return count;
}

static bool is_written (const char * text)
{
    for (uint32_t at = 0; at + strlen (text) < out_bytes; ++at)
        if (memcmp (line_out + at, text, strlen (text)) == 0) return true;
    return false;
}

static bool is_ready (void)
{
    return hedge_link_port ()->ready (hedge_link_port ());
}

static bool is_online (void)
{
    return hedge_link_port ()->online (hedge_link_port ());
}

static bool send (hedge_frame_type type, const uint8_t * frame, uint32_t length)
{
    return hedge_link_port ()->send (hedge_link_port (), type, frame, length);
}

static void says_hello_every_second_while_nobody_hosts (void)
{
    uint8_t flags;
    start (& uart_config);
    for (int i = 0; i <= 5000; ++i, ++now) poll ();
    CHECK_EQUAL (count_written (HEDGE_LINK_HELLO, & flags), 5);
    CHECK_EQUAL (flags, 3);
    start (& mqtt_config);
    for (int i = 0; i <= 1000; ++i, ++now) poll ();
    CHECK_EQUAL (count_written (HEDGE_LINK_HELLO, & flags), 1);
    CHECK_EQUAL (flags, 2);
}

static void answers_a_host_and_loses_it_after_six_seconds (void)
{
    uint8_t flags;
    start (& uart_config);
    CHECK (! is_ready () && ! is_online ());
    put_host (3, 0x123456789A);
    poll ();
    CHECK_EQUAL (told_time, 0x123456789A);
    CHECK_EQUAL (connections, 1);
    CHECK (! online_when_connected && is_online () && is_ready ());
    CHECK_EQUAL (count_written (HEDGE_LINK_HELLO, & flags), 1);
    CHECK_EQUAL (flags, 1);
    for (int i = 0; i < 5999; ++i, ++now) poll ();
    CHECK (is_online ());
    CHECK_EQUAL (count_written (HEDGE_LINK_HELLO, NULL), 1);
    ++now;
    poll ();
    CHECK (! is_online () && ! is_ready ());
    CHECK_EQUAL (count_written (HEDGE_LINK_HELLO, & flags), 2);
    CHECK_EQUAL (flags, 3);
    put_host (1, 5);
    poll ();
    CHECK_EQUAL (connections, 2);
    /* The broker goes, but not the host; time that does not hold is not taken. */
    put_host (0, 7);
    poll ();
    CHECK (! is_online () && is_ready ());
    CHECK_EQUAL (told_time, 0x123456789A);
}

static void leaves_a_network_of_its_own_alone (void)
{
    start (& mqtt_config);
    put_host (3, 5);
    poll ();
    CHECK (is_ready ());
    CHECK_EQUAL (connections, 0);
    CHECK_EQUAL (told_time, 0);
}

static void hears_an_operator_who_is_no_host (void)
{
    start (& uart_config);
    put_frame (HEDGE_FRAME_COMMAND, (const uint8_t *) "ask", 3);
    poll ();
    CHECK_EQUAL (frames_ended, 1);
    CHECK (is_ready () && ! is_online ());
    CHECK_EQUAL (connections, 0);
}

static void forgets_a_frame_whose_sender_is_gone (void)
{
    start (& uart_config);
    put_host (3, 5);
    poll ();
    put_frame (HEDGE_FRAME_COMMAND, (const uint8_t *) "half of it", 10);
    in_bytes -= 5;
    poll ();
    CHECK_EQUAL (frames_ended + frames_abandoned, 0);
    now += 6000;
    poll ();
    CHECK_EQUAL (frames_abandoned, 1);
    put_frame (HEDGE_FRAME_COMMAND, (const uint8_t *) "whole", 5);
    poll ();
    CHECK_EQUAL (frames_ended, 1);
}

/** Noise looks like a frame now and then, also on a line where nobody ever spoke. */
static void forgets_a_frame_of_nobody (void)
{
    start (& mqtt_config);
    put_frame (HEDGE_FRAME_COMMAND, (const uint8_t *) "noise", 5);
    in_bytes -= 3;
    for (int i = 0; i < 6000; ++i, ++now) poll ();
    CHECK (! is_ready ());
    CHECK_EQUAL (frames_abandoned, 0);
    poll ();
    CHECK_EQUAL (frames_abandoned, 1);
}

static void drops_lines_of_the_log_and_refuses_frames_when_full (void)
{
    static const uint8_t frame [400] = { 1 };
    char line [100];
    memset (line, 'x', sizeof line);
    start (& uart_config);
    out_limit = 0;
    for (int i = 0; i < 100; ++i) hedge_link_log (line, sizeof line);
    CHECK (! send (HEDGE_FRAME_EVENT, frame, sizeof frame));
    CHECK (! hedge_link_idle ());
    out_limit = sizeof line_out;
    poll ();
    CHECK (send (HEDGE_FRAME_EVENT, frame, sizeof frame));
    now += 2000;
    poll ();
    poll ();
    CHECK (hedge_link_idle ());
    const uint32_t lines = count_written (HEDGE_LINK_LOG, NULL);
    CHECK (lines > 5 && lines < 12);
    CHECK_EQUAL (count_written (HEDGE_FRAME_EVENT, NULL), 1);
    /* The last line says how many are missing. */
    char said [80];
    snprintf (said, sizeof said, "0 damaged or unknown frames dropped, %u lines of the log lost", 100 - (lines - 1));
    CHECK (is_written (said));
}

static void counts_frames_that_are_nobodys (void)
{
    start (& uart_config);
    put_frame (HEDGE_FRAME_EVENT, (const uint8_t *) "up", 2);
    put_frame (HEDGE_LINK_HELLO, (const uint8_t *) "up", 2);
    now += 2000;
    poll ();
    CHECK (is_written ("2 damaged or unknown frames dropped"));
    CHECK_EQUAL (frames_ended + frames_abandoned, 0);
}

static void lets_nothing_into_a_large_frame (void)
{
    static uint8_t frame [2144];
    memset (frame, 7, sizeof frame);
    start (& uart_config);
    out_limit = 0;
    hedge_link_log ("before", 6);
    CHECK (send (HEDGE_FRAME_OFFLOAD, frame, sizeof frame));
    CHECK (! send (HEDGE_FRAME_OFFLOAD, frame, sizeof frame));
    /* What is logged before it begins goes first. */
    out_limit = 30;
    poll ();
    hedge_link_log ("behind", 6);
    CHECK (! send (HEDGE_FRAME_OFFLOAD, frame, sizeof frame));
    for (; ! hedge_link_idle (); out_limit += 100) poll ();
    CHECK_EQUAL (count_written (HEDGE_LINK_LOG, NULL), 2);
    CHECK_EQUAL (count_written (HEDGE_FRAME_OFFLOAD, NULL), 1);
    CHECK (memcmp (line_out + 2, "before", 6) == 0);
    CHECK_EQUAL (out_bytes, 2 * (6 + 7) + 2144 + 5 + 2149 / 254 + 2);
    CHECK (send (HEDGE_FRAME_OFFLOAD, frame, sizeof frame));
}

int main (void)
{
    TEST (says_hello_every_second_while_nobody_hosts);
    TEST (answers_a_host_and_loses_it_after_six_seconds);
    TEST (leaves_a_network_of_its_own_alone);
    TEST (hears_an_operator_who_is_no_host);
    TEST (forgets_a_frame_whose_sender_is_gone);
    TEST (forgets_a_frame_of_nobody);
    TEST (drops_lines_of_the_log_and_refuses_frames_when_full);
    TEST (counts_frames_that_are_nobodys);
    TEST (lets_nothing_into_a_large_frame);
    return 0;
}
