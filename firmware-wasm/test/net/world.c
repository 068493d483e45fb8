#include "world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../boards/board.h"
#include "crypto.h"
#include "log.h"
#include "lwip/dhcp.h"
#include "lwip/netif.h"
#include "lwip/tcp.h"

uint64_t seed = 1;
uint32_t now;
bool cable = true;
struct device device;
struct broker broker;

static struct tcp_pcb * connection;
static packet incoming;
static uint32_t incoming_state; /* bytes of the fixed header so far; from 256 behind it */

void failed (const char * file, int line, const char * what)
{
    fprintf (stderr, "%s:%d: not so: %s (seed %llu, %u ms)\n", file, line, what, (unsigned long long) seed, (unsigned) now);
    exit (1);
}

uint32_t draw (uint32_t below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t) (seed >> 33) % below;
}

/* The board. */

const char board_name [] = "test";
uint32_t board_millis (void) { return now; }
void board_random (uint8_t * o_bytes, size_t length) { while (length-- > 0) * o_bytes++ = (uint8_t) draw (256); }
void board_reset (void) { failed (__FILE__, __LINE__, "lwIP's invariants hold"); }
bool board_ethernet_start (const uint8_t mac [6]) { return mac [0] == 2; }
bool board_ethernet_link_up (void) { return cable; }

ethernet_frame sent;
void (* on_sent_frame) (void);
static ethernet_frame given;
static uint32_t given_at;

void give_frame (const uint8_t * bytes, uint32_t length)
{
    expect (length <= sizeof given.bytes && given.length == given_at);
    memcpy (given.bytes, bytes, length);
    given.length = length;
    given_at = 0;
}

/** Asked in each round of the network port until there is nothing: then the loop delivers, and a millisecond passes. */
size_t board_ethernet_next (void)
{
    if (given_at < given.length) return given.length;
    ++now;
    netif_poll (netif_default);
    return 0;
}

void board_ethernet_read (uint8_t * o_bytes, size_t length)
{
    expect (length <= given.length - given_at);
    memcpy (o_bytes, given.bytes + given_at, length);
    given_at += (uint32_t) length;
}

bool board_ethernet_send_begin (size_t length)
{
    expect (length > 0 && length <= sizeof sent.bytes);
    sent.length = 0;
    return true;
}

void board_ethernet_send (const uint8_t * bytes, size_t length)
{
    memcpy (sent.bytes + sent.length, bytes, length);
    sent.length += (uint32_t) length;
}

void board_ethernet_send_end (void)
{
    if (on_sent_frame) on_sent_frame ();
}

bool talks;

void hedge_log (const char * format, ...)
{
    if (! talks) return;
    va_list values;
    va_start (values, format);
    vprintf (format, values);
    va_end (values);
    printf ("\n");
}

#if ! HEDGE_TLS
uint32_t hedge_crc32 (uint32_t crc, const uint8_t * bytes, uint32_t length) { return crc + bytes [0] + length; }
#endif

/* The device. */

bool hedge_device_frame_begin (hedge_device * d, hedge_port * from, hedge_frame_type type, uint32_t length)
{
    (void) d;
    expect (from == hedge_net_port () && ! device.inside);
    if (! device.takes || length > ROOM)
    {
        ++device.refused;
        return false;
    }
    device.inside = true;
    device.type = type;
    device.announced = length;
    device.length = 0;
    return true;
}

void hedge_device_frame_data (hedge_device * d, hedge_port * from, const uint8_t * bytes, uint32_t length)
{
    (void) d, (void) from;
    expect (device.inside && length > 0 && length <= device.announced - device.length);
    memcpy (device.bytes + device.length, bytes, length);
    device.length += length;
}

void hedge_device_frame_end (hedge_device * d, hedge_port * from)
{
    (void) d, (void) from;
    expect (device.inside && device.length == device.announced);
    device.inside = false;
    ++device.frames;
}

void hedge_device_frame_abandon (hedge_device * d, hedge_port * from)
{
    (void) d, (void) from;
    expect (device.inside);
    device.inside = false;
    ++device.abandoned;
}

void hedge_device_connected (hedge_device * d)
{
    (void) d;
    expect (! hedge_net_port ()->ready (hedge_net_port ()));
    ++device.connected;
}

void hedge_device_set_time (hedge_device * d, uint64_t epoch_ms)
{
    (void) d;
    device.time = epoch_ms;
}

/* The broker. */

static void say (const uint8_t * bytes, uint32_t length)
{
    if (! connection) return;
    expect (tcp_write (connection, bytes, (u16_t) length, TCP_WRITE_FLAG_COPY) == ERR_OK);
    tcp_output (connection);
}

static void answer (uint8_t head, uint8_t a, uint8_t b, int code)
{
    const uint8_t bytes [] = { head, code < 0 ? 2 : 3, a, b, (uint8_t) code };
    say (bytes, code < 0 ? 4 : 5);
}

static void take (packet * p)
{
    const uint8_t qos = (p->head >> 1) & 3;
    switch (p->head >> 4)
    {
        case 1:
            broker.connect = * p;
            if (broker.connack >= 0) answer (0x20, 0, (uint8_t) broker.connack, -1);
            break;
        case 3:
        {
            ++broker.publishes;
            broker.before_last_publish = broker.publish;
            broker.publish = * p;
            const uint32_t topic = (uint32_t) p->bytes [0] << 8 | p->bytes [1];
            expect (qos == 1 && topic + 4 <= p->length);
            if (broker.puback) answer (0x40, p->bytes [2 + topic], p->bytes [3 + topic], -1);
            break;
        }
        case 4: ++broker.pubacks; break;
        case 5: case 6: case 7: break; /* answers to messages of QoS 2, which nobody asked for */
        case 8:
            ++broker.subscribes;
            expect (p->length > 5 && p->bytes [p->length - 1] == 1);
            if (broker.suback >= 0) answer (0x90, p->bytes [0], p->bytes [1], broker.suback);
            break;
        case 12:
            ++broker.pings;
            if (broker.pingresp) say ((const uint8_t []) { 0xD0, 0 }, 2);
            break;
        case 14: ++broker.disconnects; break;
        default: failed (__FILE__, __LINE__, "a packet that devices send");
    }
}

static void hear (uint8_t byte)
{
    if (incoming_state == 0) incoming = (packet) { .head = byte };
    else if (incoming_state < 256) incoming.length |= (uint32_t) (byte & 0x7F) << (7 * (incoming_state - 1));
    else incoming.bytes [incoming_state - 256] = byte;
    ++incoming_state;
    if (incoming_state > 1 && incoming_state < 256 && ! (byte & 0x80))
    {
        expect (incoming.length <= ROOM);
        incoming_state = 256;
    }
    if (incoming_state - 256 != incoming.length) return;
    incoming_state = 0;
    take (& incoming);
}

static void on_error (void * pcb, err_t error)
{
    (void) error;
    ++broker.closes;
    if (pcb == connection) connection = NULL;
}

static err_t on_receive (void * context, struct tcp_pcb * pcb, struct pbuf * p, err_t error)
{
    (void) context, (void) error;
    if (! p)
    {
        ++broker.closes;
        if (pcb == connection) connection = NULL;
        tcp_err (pcb, NULL);
        tcp_abort (pcb);
        return ERR_ABRT;
    }
    if (! broker.reads) return ERR_MEM; /* lwIP keeps it, and gives it again later */
    if (pcb == connection)
        for (uint16_t i = 0; i < p->tot_len && connection; ++i) hear (pbuf_get_at (p, i));
    tcp_recved (pcb, p->tot_len);
    pbuf_free (p);
    return ERR_OK;
}

static err_t on_accept (void * context, struct tcp_pcb * pcb, err_t error)
{
    (void) context;
    expect (error == ERR_OK);
    if (! broker.listens)
    {
        ++broker.refusals;
        tcp_abort (pcb);
        return ERR_ABRT;
    }
    ++broker.connections;
    connection = pcb;
    incoming_state = 0;
    tcp_nagle_disable (pcb);
    tcp_arg (pcb, pcb);
    tcp_recv (pcb, on_receive);
    tcp_err (pcb, on_error);
    return ERR_OK;
}

void broker_kill (void)
{
    expect (connection);
    struct tcp_pcb * pcb = connection;
    connection = NULL;
    tcp_err (pcb, NULL);
    tcp_abort (pcb);
}

bool is_publish (const packet * p, const char * topic, const void * payload, uint32_t length)
{
    const uint32_t size = (uint32_t) strlen (topic);
    return p->length == size + 4 + length && p->bytes [0] == 0 && p->bytes [1] == size && memcmp (p->bytes + 2, topic, size) == 0
        && memcmp (p->bytes + size + 4, payload, length) == 0;
}

void broker_send (const uint8_t * bytes, uint32_t length, const uint32_t * cuts, uint32_t cut_count)
{
    run (5); /* its own answers go first, not in between */
    uint32_t from = 0;
    for (uint32_t n = 0; n <= cut_count && connection; ++n)
    {
        const uint32_t to = n < cut_count ? cuts [n] : length;
        while (from < to && connection)
        {
            uint32_t piece = to - from < TCP_MSS ? to - from : TCP_MSS;
            if (piece > tcp_sndbuf (connection)) piece = tcp_sndbuf (connection);
            if (piece > 0 && tcp_sndqueuelen (connection) < TCP_SND_QUEUELEN - 2)
            {
                say (bytes + from, piece);
                from += piece;
            }
            turn ();
        }
    }
}

uint32_t write_publish (uint8_t * o_packet, const char * topic, uint16_t id, const uint8_t * payload, uint32_t length)
{
    uint32_t topic_length = (uint32_t) strlen (topic), rest = 2 + topic_length + (id ? 2 : 0) + length, at = 0;
    o_packet [at++] = id ? 0x32 : 0x30;
    do o_packet [at++] = (uint8_t) ((rest & 0x7F) | (rest > 0x7F ? 0x80 : 0));
    while (rest >>= 7);
    o_packet [at++] = (uint8_t) (topic_length >> 8);
    o_packet [at++] = (uint8_t) topic_length;
    memcpy (o_packet + at, topic, topic_length);
    at += topic_length;
    if (id)
    {
        o_packet [at++] = (uint8_t) (id >> 8);
        o_packet [at++] = (uint8_t) id;
    }
    memcpy (o_packet + at, payload, length);
    return at + length;
}

/* The world. */

void turn (void)
{
    hedge_net_poll ();
}

void run (uint32_t milliseconds)
{
    while (milliseconds-- > 0) turn ();
}

void start_net (const hedge_config * config, tcp_accept_fn accept)
{
    hedge_net_start (config, NULL);
    ip4_addr_t address, mask;
    IP4_ADDR (& address, 10, 0, 2, 15);
    IP4_ADDR (& mask, 255, 255, 255, 0);
    dhcp_stop (netif_default);
    netif_set_addr (netif_default, & address, & mask, & address);
    struct tcp_pcb * listener = tcp_new ();
    expect (tcp_bind (listener, IP_ADDR_ANY, BROKER_PORT) == ERR_OK);
    listener = tcp_listen (listener);
    tcp_accept (listener, accept);
}

static void start (void)
{
    static const hedge_config config = { .id = "dev-1", .transport = HEDGE_OVER_MQTT, .broker = "10.0.2.15", .broker_port = BROKER_PORT };
    start_net (& config, on_accept);
}

/** A cable that was out makes the device try again at once. */
static void replug (void)
{
    if (connection) broker_kill ();
    cable = false;
    run (200);
    cable = true;
}

void begin (bool connected)
{
    static bool started = false;
    if (started) replug ();
    else start ();
    started = true;
    memset (& device, 0, sizeof device);
    memset (& broker, 0, sizeof broker);
    device.takes = true;
    broker.listens = broker.puback = broker.pingresp = broker.reads = true;
    broker.suback = 1;
    if (! connected) return;
    run_until (broker.publishes == 1);
    run (5);
    expect (hedge_net_port ()->ready (hedge_net_port ()));
}
