/**
 * The network port on a cable: with an honest neighbour that gives it an address, the time and the broker's address; then `COUNT` neighbours that
 * answer with mutated and made up frames. Usage: frames FIRST COUNT. Prints "ok NAME" lines.
 *
 * lwIP checks no checksums here, so that mutated frames come further than to them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "world.h"

#define EPOCH_1900 2208988800u
#define NOW_SECONDS 1800000000u

enum { ARP = 0x0806, IPV4 = 0x0800, ICMP = 1, TCP = 6, UDP = 17 };

static const uint8_t neighbour [6] = { 2, 1, 1, 1, 1, 1 };
static const uint8_t neighbour_ip [4] = { 10, 0, 2, 2 };
static const uint8_t device_ip [4] = { 10, 0, 2, 15 };

static uint8_t reply [1600];
static uint32_t reply_length;
/** Who answers; 0: nobody. */
static enum { HONEST = 1, HOSTILE } manner;
static uint32_t connections;

static uint32_t get16 (const uint8_t * at) { return (uint32_t) at [0] << 8 | at [1]; }
static void put16 (uint8_t * at, uint32_t value) { at [0] = (uint8_t) (value >> 8), at [1] = (uint8_t) value; }
static void put32 (uint8_t * at, uint32_t value) { put16 (at, value >> 16), put16 (at + 2, value); }

/** Ethernet and IPv4 headers around what was written from reply + 34 on. */
static void wrap (uint8_t protocol, uint32_t length)
{
    uint8_t * ip = reply + 14;
    memcpy (reply, sent.bytes + 6, 6);
    memcpy (reply + 6, neighbour, 6);
    put16 (reply + 12, IPV4);
    memset (ip, 0, 20);
    ip [0] = 0x45;
    put16 (ip + 2, 20 + length);
    ip [8] = 64;
    ip [9] = protocol;
    memcpy (ip + 12, neighbour_ip, 4);
    memcpy (ip + 16, device_ip, 4);
    reply_length = 34 + length;
}

static void wrap_udp (uint32_t from, uint32_t to, uint32_t length)
{
    uint8_t * udp = reply + 34;
    put16 (udp, from);
    put16 (udp + 2, to);
    put16 (udp + 4, 8 + length);
    put16 (udp + 6, 0);
    wrap (UDP, 8 + length);
}

static void answer_arp (void)
{
    static const uint8_t kind [] = { 0, 1, 8, 0, 6, 4, 0, 2 };
    uint8_t * arp = reply + 14;
    memcpy (reply, sent.bytes + 6, 6);
    memcpy (reply + 6, neighbour, 6);
    put16 (reply + 12, ARP);
    memcpy (arp, kind, 8);
    memcpy (arp + 8, neighbour, 6);
    memcpy (arp + 14, sent.bytes + 38, 4); /* whoever was asked for */
    memcpy (arp + 18, sent.bytes + 22, 10);
    reply_length = 42;
}

static void answer_dhcp (const uint8_t * request)
{
    uint8_t * dhcp = reply + 42;
    memset (dhcp, 0, 300);
    memcpy (dhcp, request, 44);
    dhcp [0] = 2;
    memcpy (dhcp + 16, device_ip, 4);
    const uint8_t kind = request [242] == 1 ? 2 : 5; /* to DISCOVER an OFFER, to REQUEST an ACK */
    const uint8_t options [] = { 0x63, 0x82, 0x53, 0x63, 53, 1, kind, 54, 4, 10, 0, 2, 2, 51, 4, 0, 0, 14, 16, 1, 4, 255, 255, 255, 0,
                                 3, 4, 10, 0, 2, 2, 6, 4, 10, 0, 2, 2, 255 };
    memcpy (dhcp + 236, options, sizeof options);
    wrap_udp (67, 68, 300);
}

static void answer_dns (const uint8_t * question, uint32_t length, uint32_t port)
{
    static const uint8_t record [] = { 0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 10, 0, 2, 2 };
    uint8_t * dns = reply + 42;
    memcpy (dns, question, length);
    put16 (dns + 2, 0x8180);
    put16 (dns + 6, 1);
    memcpy (dns + length, record, sizeof record);
    wrap_udp (53, port, length + sizeof record);
}

static void answer_sntp (const uint8_t * request, uint32_t port)
{
    uint8_t * sntp = reply + 42;
    memset (sntp, 0, 48);
    sntp [0] = 0x24; /* version 4, server */
    sntp [1] = 1;
    memcpy (sntp + 24, request + 40, 8);
    put32 (sntp + 32, NOW_SECONDS + EPOCH_1900);
    put32 (sntp + 40, NOW_SECONDS + EPOCH_1900);
    wrap_udp (123, port, 48);
}

/** Accepts connections, and acknowledges what comes. */
static void answer_tcp (const uint8_t * segment, uint32_t length)
{
    uint8_t * tcp = reply + 34;
    const uint32_t header = (uint32_t) (segment [12] >> 4) * 4, flags = segment [13];
    const uint32_t next = get16 (segment + 4) << 16 | get16 (segment + 6);
    if (! (flags & 2) && length == header) return;
    if (flags & 2) ++connections;
    memset (tcp, 0, 20);
    put16 (tcp, get16 (segment + 2));
    put16 (tcp + 2, get16 (segment));
    put32 (tcp + 4, flags & 2 ? 1000 : get16 (segment + 8) << 16 | get16 (segment + 10));
    put32 (tcp + 8, next + (flags & 2 ? 1 : length - header));
    tcp [12] = 0x50;
    tcp [13] = flags & 2 ? 0x12 : 0x10;
    put16 (tcp + 14, 8192);
    /* To what follows the handshake, MQTT's acceptance. */
    static const uint8_t connack [] = { 0x20, 2, 0, 0 };
    const bool accepts = ! (flags & 2) && length > header && segment [header] == 0x10;
    if (accepts) memcpy (tcp + 20, connack, sizeof connack);
    wrap (TCP, accepts ? 24 : 20);
}

static void answer_honestly (void)
{
    reply_length = 0;
    const uint8_t * frame = sent.bytes, * ip = frame + 14, * udp = ip + 20;
    if (get16 (frame + 12) == ARP && frame [21] == 1 && memcmp (frame + 28, frame + 38, 4) != 0) answer_arp ();
    if (get16 (frame + 12) != IPV4) return;
    if (ip [9] == TCP) answer_tcp (udp, get16 (ip + 2) - 20);
    if (ip [9] != UDP) return;
    const uint32_t from = get16 (udp), to = get16 (udp + 2), length = get16 (udp + 4) - 8;
    if (to == 67) answer_dhcp (udp + 8);
    if (to == 53) answer_dns (udp + 8, length, from);
    if (to == 123) answer_sntp (udp + 8, from);
}

static void mutate (void)
{
    if (reply_length == 0)
    {
        /* Out of nothing: something of a kind that lwIP takes to pieces. */
        static const uint8_t protocols [] = { ICMP, TCP, UDP, 2 };
        reply_length = 60 + draw (200);
        for (uint32_t i = 0; i < reply_length; ++i) reply [i] = (uint8_t) draw (256);
        wrap (protocols [draw (4)], reply_length - 34);
        if (draw (4) == 0) memset (reply, 0xFF, 6);
    }
    for (uint32_t n = draw (3) ? draw (4) : draw (40); n > 0; --n)
    {
        /* The headers more often than what they are before. */
        const uint32_t place = draw (draw (2) ? reply_length : reply_length < 60 ? reply_length : 60);
        reply [place] = draw (3) ? (uint8_t) draw (256) : (uint8_t) (reply [place] ^ 1 << draw (8));
    }
    if (draw (8) == 0) reply_length = 1 + draw (reply_length);
    else if (draw (8) == 0) reply_length += draw (sizeof reply - reply_length);
}

static bool waiting;

static void answer (void)
{
    if (waiting) return; /* one answer a round */
    answer_honestly ();
    if (manner == HOSTILE && draw (3) == 0) mutate ();
    waiting = reply_length > 0;
}

static void rounds (uint32_t count)
{
    for (; count > 0; --count)
    {
        if (manner == HOSTILE && ! waiting && draw (40) == 0)
        {
            reply_length = 0;
            mutate ();
            waiting = true;
        }
        if (waiting) give_frame (reply, reply_length);
        waiting = false;
        turn ();
    }
}

int main (int count, char ** arguments)
{
    static const hedge_config config = {
        .id = "dev-1", .transport = HEDGE_OVER_MQTT, .broker = "broker.example", .broker_port = 1883, .time_server = "time.example", .time_port = 123,
    };
    expect (count == 3);
    device.takes = true;
    on_sent_frame = answer;
    manner = HONEST;
    hedge_net_start (& config, NULL);
    rounds (5000);
    expect (device.time == (uint64_t) NOW_SECONDS * 1000);
    expect (connections == 1);
    printf ("ok gets an address, the time and to the broker\n");

    const uint32_t first = (uint32_t) atoi (arguments [1]), neighbours = (uint32_t) atoi (arguments [2]);
    for (uint32_t n = first; n < first + neighbours; ++n)
    {
        seed = n * 2654435761u + 1;
        manner = HOSTILE;
        cable = false;
        rounds (150);
        cable = true;
        rounds (100 + draw (1500));
    }
    /* Behind all of them it finds an honest one again; what it believed of the others, such as leases and addresses, takes its time to expire. */
    manner = HONEST;
    cable = false;
    rounds (150);
    cable = true;
    const uint32_t before = connections;
    for (uint32_t limit = 0; connections == before; ++limit, rounds (1000)) expect (limit < 7200);
    printf ("ok %u hostile neighbours\n", (unsigned) neighbours);
    return 0;
}
