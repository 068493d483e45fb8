/**
 * The network port against a scripted broker in the same lwIP: `net` runs all tests, `net fuzz FIRST COUNT` so many seeded streams of a hostile
 * one. Prints "ok NAME" lines.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "world.h"

#define COMMAND "hedge/v1/dev-1/command"
#define RESULT "hedge/v1/dev-1/result"
#define STATUS "hedge/v1/dev-1/status"

static uint8_t stream [256 * 1024];
static uint8_t content [ROOM];

static void fill (uint32_t length)
{
    for (uint32_t i = 0; i < length; ++i) content [i] = (uint8_t) draw (256);
}

static bool sends (hedge_frame_type type, uint32_t length)
{
    return hedge_net_port ()->send (hedge_net_port (), type, content, length);
}

static bool is_ready (void)
{
    return hedge_net_port ()->ready (hedge_net_port ());
}

static void expect_frame (hedge_frame_type type, uint32_t length)
{
    expect (device.type == type && device.length == length && memcmp (device.bytes, content, length) == 0);
}

static void connects (void)
{
    begin (false);
    run_until (broker.connections == 1);
    expect (! is_ready ());
    run_until (is_ready ());
    run (5);
    static const uint8_t connect [] = "\0\4MQTT\4\x2E\0\12\0\5dev-1\0\25" STATUS "\0\7offline";
    expect (broker.connect.length == sizeof connect - 1 && memcmp (broker.connect.bytes, connect, sizeof connect - 1) == 0);
    expect (broker.subscribes == 2 && device.connected == 1 && broker.publishes == 1);
    expect (is_publish (& broker.publish, STATUS, "online", 6) && broker.publish.head == 0x33);
}

/** A message that comes in two segments, cut anywhere, and one that comes byte by byte. */
static void takes_split_messages (void)
{
    begin (true);
    const uint32_t length = 300;
    uint32_t frames = 0;
    fill (length);
    const uint32_t size = write_publish (stream, COMMAND, 7, content, length);
    for (uint32_t cut = 0; cut < size; ++cut, ++frames)
    {
        memset (device.bytes, 0, length);
        broker_send (stream, size, & cut, 1);
        run_until (device.frames == frames + 1);
        expect_frame (HEDGE_FRAME_COMMAND, length);
    }
    for (uint32_t first = 1; first < size - 1; first += 3, ++frames)
    {
        const uint32_t cuts [2] = { first, first + 1 + draw (size - first - 1) };
        broker_send (stream, size, cuts, 2);
        run_until (device.frames == frames + 1);
        expect_frame (HEDGE_FRAME_COMMAND, length);
    }
    uint32_t every [400];
    for (uint32_t i = 0; i < size; ++i) every [i] = i;
    broker_send (stream, size, every, size);
    run_until (device.frames == frames + 1);
    expect_frame (HEDGE_FRAME_COMMAND, length);
    run_until (broker.pubacks == frames + 1);
    expect (broker.connections == 1);
}

static void takes_bursts (void)
{
    begin (true);
    enum { COUNT = 500 };
    uint32_t length = 0;
    for (uint32_t n = 0; n < COUNT; ++n)
    {
        fill (20);
        length += write_publish (stream + length, n % 5 == 4 ? RESULT : COMMAND, (uint16_t) (n + 1), content, 20);
    }
    broker_send (stream, length, NULL, 0);
    run_until (broker.pubacks == COUNT);
    expect (device.frames == COUNT && broker.connections == 1);
    expect_frame (HEDGE_FRAME_RESULT, 20);
}

static void takes_long_messages (void)
{
    begin (true);
    fill (ROOM);
    uint32_t frames = 0;
    const uint32_t lengths [] = { 0, 1, 97, 98, 99, 127, 128, 16383, 16384, 20000, 60000 };
    for (uint32_t n = 0; n < sizeof lengths / sizeof * lengths; ++n, ++frames)
    {
        broker_send (stream, write_publish (stream, COMMAND, (uint16_t) (n + 1), content, lengths [n]), NULL, 0);
        run_until (device.frames == frames + 1);
        expect_frame (HEDGE_FRAME_COMMAND, lengths [n]);
    }
    run_until (broker.pubacks == frames);
    expect (broker.connections == 1);
}

/** What the device does not want is skipped and acknowledged, and what comes behind it is not harmed. */
static void skips_what_is_not_wanted (void)
{
    begin (true);
    fill (3000);
    device.takes = false;
    broker_send (stream, write_publish (stream, COMMAND, 1, content, 3000), NULL, 0);
    run_until (broker.pubacks == 1);
    expect (device.refused == 1);
    device.takes = true;
    const char * foreign [] = { "hedge/v1/dev-2/command", "hedge/v1/dev-1/commands", "hedge/v1/dev-1", "hedge/v1/dev-1/", "", "a" };
    for (uint32_t n = 0; n < sizeof foreign / sizeof * foreign; ++n)
    {
        broker_send (stream, write_publish (stream, foreign [n], 2, content, 500), NULL, 0);
        run_until (broker.pubacks == n + 2);
    }
    broker_send (stream, write_publish (stream, RESULT, 0, content, 100), NULL, 0);
    run_until (device.frames == 1);
    expect_frame (HEDGE_FRAME_RESULT, 100);
    expect (device.refused == 1 && broker.connections == 1);
}

/** Each of these breaks the protocol: the device hangs up, and comes back. */
static void hangs_up_on_nonsense (void)
{
#define NONSENSE(text) { text, sizeof text - 1 }
    static const struct { const char * bytes; uint32_t length; } nonsense [] = {
        NONSENSE ("\x30\xFF\xFF\xFF\xFF\x01"),          /* a length of five bytes */
        NONSENSE ("\x30\x80\x80\x80\x80\x80\x80\x80"),
        NONSENSE ("\0\0"), NONSENSE ("\xF0\0"),         /* no such packets */
        NONSENSE ("\x40\0"), NONSENSE ("\x40\1\0"),     /* acknowledgements without what they acknowledge */
        NONSENSE ("\x40\2\0\0"), NONSENSE ("\x90\2\0\1"),
        NONSENSE ("\x30\0"), NONSENSE ("\x30\1\0"),     /* messages without a topic */
        NONSENSE ("\x30\3\0\2a"), NONSENSE ("\x32\4\0\2ab"),
        NONSENSE ("\x32\3\0\1a"),
        NONSENSE ("\x20\1\0"),
    };
    for (uint32_t n = 0; n < sizeof nonsense / sizeof * nonsense; ++n)
    {
        /* CONNACK counts only at the start of a connection. */
        const bool at_start = nonsense [n].bytes [0] == 0x20;
        begin (! at_start);
        if (at_start) broker.connack = -1;
        run_until (broker.connections == 1);
        run (5);
        if (nonsense [n].bytes [0] == '\x90')
        {
            broker.suback = -1;
            begin (false);
            broker.suback = -1;
            run_until (broker.subscribes == 2);
        }
        broker_send ((const uint8_t *) nonsense [n].bytes, nonsense [n].length, NULL, 0);
        run_until (broker.closes == 1);
        broker.connack = 0;
        broker.suback = 1;
        run_until (is_ready ());
    }
    /* A topic that does not fit the buffer is none of ours. */
    begin (true);
    fill (400);
    memset (content, 'a', 300);
    content [300] = 0;
    broker_send (stream, write_publish (stream, (const char *) content, 3, content, 10), NULL, 0);
    run_until (broker.closes == 1);
}

static void copes_with_refusals (void)
{
    for (int code = 1; code < 7; ++code)
    {
        begin (false);
        broker.connack = code;
        run_until (broker.connections == 3);
        expect (device.connected == 0);
        broker.connack = 0;
        run_until (is_ready ());
    }
    begin (false);
    broker.suback = 0x80;
    run_until (broker.connections == 3);
    expect (device.connected == 0);
    broker.suback = 1;
    run_until (is_ready ());
}

/** What happened between two moments of the clock, in ms. */
static uint32_t since (uint32_t then)
{
    return now - then;
}

static void notices_silence (void)
{
    begin (false);
    broker.connack = -1;
    run_until (broker.connections == 1);
    const uint32_t connected = now;
    run_until (broker.connections == 2);
    expect (since (connected) >= 30000 && since (connected) <= 32000);

    begin (true);
    run (60000);
    expect (broker.pings >= 4 && broker.pings <= 7 && broker.connections == 1 && is_ready ());
    broker.pingresp = broker.reads = false; /* the window closes, and nothing is acknowledged */
    const uint32_t silent = now;
    fill (100);
    run_until (! is_ready ());
    expect (since (silent) <= 30000);
    broker.pingresp = broker.reads = true;
    run_until (broker.connections == 2 && is_ready ());
    expect (device.connected == 2);
}

static void wants_acknowledgements (void)
{
    begin (true);
    broker.puback = false;
    fill (200);
    expect (sends (HEDGE_FRAME_OFFLOAD, 200));
    const uint32_t sent = now;
    run_until (! is_ready ());
    expect (since (sent) >= 14000 && since (sent) <= 17000);
    broker.puback = true;
    run_until (is_ready ());
}

static void backs_off (void)
{
    begin (false);
    broker.listens = false;
    uint32_t waits [9], last = 0;
    for (uint32_t n = 0; n < 10; ++n, last = now)
    {
        run_until (broker.refusals == n + 1);
        if (n > 0) waits [n - 1] = since (last);
    }
    uint32_t expected = 1000;
    for (uint32_t n = 0; n < 9; ++n)
    {
        expect (waits [n] >= expected - expected / 4 && waits [n] <= expected + expected / 4 + 50);
        expected = 2 * expected < 30000 ? 2 * expected : 30000;
    }
    broker.listens = true;
    run_until (is_ready ());
    /* A connection that lasted makes the next wait short. */
    run (11000);
    broker_kill ();
    const uint32_t killed = now;
    run_until (is_ready ());
    expect (since (killed) <= 1400);
}

static void sends_frames (void)
{
    begin (true);
    const struct { hedge_frame_type type; const char * topic; uint32_t length; } frames [] = {
        { HEDGE_FRAME_OFFLOAD, "hedge/v1/dev-1/offload", 2048 + 96 }, { HEDGE_FRAME_ANSWER, "hedge/v1/dev-1/answer", 40 },
        { HEDGE_FRAME_EVENT, "hedge/v1/dev-1/event", 1 }, { HEDGE_FRAME_DESCRIPTION, "hedge/v1/dev-1/event", 300 },
    };
    for (uint32_t n = 0; n < 4; ++n)
    {
        fill (frames [n].length);
        expect (sends (frames [n].type, frames [n].length));
        run_until (broker.publishes == n + 2);
        expect (is_publish (& broker.publish, frames [n].topic, content, frames [n].length) && broker.publish.head == 0x32);
    }
    expect (! sends (HEDGE_FRAME_OFFLOAD, 2048 + 97));

    /* Frames of all sizes, as fast as they are taken: none is lost, and none is torn. */
    uint32_t sent = 0;
    const uint32_t before = broker.publishes;
    while (sent < 2000)
    {
        fill (1);
        memset (content, content [0], 2048);
        if (sends (HEDGE_FRAME_OFFLOAD, 1 + draw (2048))) ++sent;
        else turn ();
        const packet * p = & broker.publish;
        for (uint32_t i = 28; broker.publishes > before && i < p->length; ++i) expect (p->bytes [i] == p->bytes [p->length - 1]);
    }
    run_until (broker.publishes == before + sent);
    expect (broker.connections == 1);

    /* A broker that reads nothing for a while: frames are refused meanwhile, and all that were taken arrive. */
    broker.reads = false;
    uint32_t taken = 0, refused = 0;
    const uint32_t so_far = broker.publishes;
    for (uint32_t n = 0; n < 3000; ++n)
    {
        if (sends (HEDGE_FRAME_OFFLOAD, 1000)) ++taken;
        else ++refused;
        turn ();
    }
    expect (refused > 0 && broker.publishes == so_far);
    broker.reads = true;
    run_until (broker.publishes == so_far + taken);
    expect (broker.connections == 1);
}

/** Killed in the middle of a message, and with the cable out for longer than the broker may be silent. */
static void comes_back (void)
{
    begin (true);
    fill (1000);
    const uint32_t size = write_publish (stream, COMMAND, 9, content, 1000);
    broker_send (stream, size / 2, NULL, 0);
    run_until (device.inside);
    broker_kill ();
    run_until (device.abandoned == 1);
    expect (! is_ready () && ! sends (HEDGE_FRAME_EVENT, 10));
    run_until (is_ready ());
    expect (device.connected == 2);
    broker_send (stream, size, NULL, 0);
    run_until (device.frames == 1);
    expect_frame (HEDGE_FRAME_COMMAND, 1000);

    broker.listens = false;
    broker_kill ();
    run (5000);
    cable = false;
    run (40000);
    cable = true;
    broker.listens = true;
    const uint32_t plugged = now;
    run_until (is_ready ());
    expect (since (plugged) < 1000);
}

/** Streams that a hostile broker may send: packets of all kinds, whole, mutated or cut off, in segments of all sizes. */
static void fuzz_once (uint64_t which)
{
    begin (false);
    seed = which * 2654435761u + 1;
    if (draw (4) == 0) broker.connack = -1;
    if (draw (4) == 0) broker.suback = -1;
    device.takes = draw (4) > 0;
    run_until (broker.connections == 1);
    run (draw (12));
    uint32_t length = 0;
    for (uint32_t n = 1 + draw (8); n > 0; --n)
    {
        const uint32_t from = length, kind = draw (8);
        if (kind < 4)
        {
            static const char * topics [] = { COMMAND, RESULT, STATUS, "", "hedge/v1/dev-1/", "x/y/z" };
            const uint32_t size = draw (3) ? draw (200) : draw (6000);
            fill (size);
            length += write_publish (stream + length, topics [draw (6)], (uint16_t) draw (3), content, size);
        }
        else
        {
            stream [length++] = (uint8_t) (draw (16) << 4 | (draw (2) ? draw (16) : 0));
            const uint32_t size = draw (6);
            stream [length++] = (uint8_t) (draw (3) ? size : draw (256));
            for (uint32_t i = 0; i < size; ++i) stream [length++] = (uint8_t) draw (draw (2) ? 4 : 256);
        }
        for (uint32_t i = draw (3) ? 0 : draw (4); i > 0; --i) stream [from + draw (length - from < 40 ? length - from : 40)] = (uint8_t) draw (256);
        if (draw (12) == 0) length -= draw (length - from);
    }
    uint32_t cuts [6], count = draw (7);
    for (uint32_t n = 0, at = 0; n < count; ++n) cuts [n] = at += draw ((length - at) / 2 + 1);
    broker_send (stream, length, cuts, count);
    if (is_ready () && draw (2)) sends (HEDGE_FRAME_EVENT, draw (300));
    run (draw (30));
}

static void fuzz (uint32_t first, uint32_t count)
{
    for (uint32_t n = first; n < first + count; ++n) fuzz_once (n);
    begin (true);
    printf ("ok %u hostile streams\n", (unsigned) count);
}

static void says_goodbye (void)
{
    begin (true);
    fill (2000);
    expect (sends (HEDGE_FRAME_EVENT, 200));
    hedge_net_stop ();
    expect (is_publish (& broker.before_last_publish, "hedge/v1/dev-1/event", content, 200));
    expect (is_publish (& broker.publish, STATUS, "offline", 7) && broker.publish.head == 0x33);
    expect (broker.disconnects == 1 && ! is_ready ());
}

int main (int count, char ** arguments)
{
    if (count == 4)
    {
        fuzz ((uint32_t) atoi (arguments [2]), (uint32_t) atoi (arguments [3]));
        return 0;
    }
    static const struct { const char * name; void (* test) (void); } tests [] = {
        { "connects", connects },
        { "takes split messages", takes_split_messages },
        { "takes bursts", takes_bursts },
        { "takes long messages", takes_long_messages },
        { "skips what is not wanted", skips_what_is_not_wanted },
        { "hangs up on nonsense", hangs_up_on_nonsense },
        { "copes with refusals", copes_with_refusals },
        { "notices silence", notices_silence },
        { "wants acknowledgements", wants_acknowledgements },
        { "backs off", backs_off },
        { "sends frames", sends_frames },
        { "comes back", comes_back },
        { "says goodbye", says_goodbye }, /* the last one, for it stops the port */
    };
    for (size_t n = 0; n < sizeof tests / sizeof * tests; ++n)
    {
        if (count == 2 && strcmp (arguments [1], tests [n].name) != 0) continue;
        tests [n].test ();
        printf ("ok %s\n", tests [n].name);
    }
    return 0;
}
