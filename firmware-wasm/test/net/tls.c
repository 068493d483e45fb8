/**
 * The network port with TLS and a real broker: what it sends to BROKER_PORT is relayed to a port of this machine's loopback.
 *
 *   tls PORT NAME CA echo COUNT         connects, and sends so many frames, which somebody has to send back as commands
 *   tls PORT NAME CA garble FIRST COUNT so many connections, in which some bits of the broker's are flipped or bytes lost
 *
 * NAME is what the device calls the broker, CA its authority's certificate (DER). The clock is the real one while there is a connection.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <mbedtls/platform.h>

#include "crypto.h"
#include "world.h"

static uint16_t port;
static int outside = -1;          /* the socket to the broker */
static struct tcp_pcb * inside;   /* the port's connection */
static uint8_t upward [ROOM];     /* from the port, not yet outside */
static uint32_t upward_length;
/** Of the broker's bytes of a connection, which one is garbled; UINT32_MAX: none. */
static uint32_t garbled = UINT32_MAX, passed;
static uint32_t connections;

static void hang_up (void)
{
    if (outside >= 0) close (outside);
    outside = -1;
    if (! inside) return;
    struct tcp_pcb * pcb = inside;
    inside = NULL;
    tcp_recv (pcb, NULL);
    tcp_err (pcb, NULL);
    if (tcp_close (pcb) != ERR_OK) tcp_abort (pcb);
}

static void on_gone (void * context, err_t error)
{
    (void) context, (void) error;
    inside = NULL;
    hang_up ();
}

static err_t on_data (void * context, struct tcp_pcb * pcb, struct pbuf * data, err_t error)
{
    (void) context, (void) error;
    if (! data)
    {
        hang_up ();
        return ERR_OK;
    }
    if (upward_length + data->tot_len > sizeof upward) return ERR_MEM;
    pbuf_copy_partial (data, upward + upward_length, data->tot_len, 0);
    upward_length += data->tot_len;
    tcp_recved (pcb, data->tot_len);
    pbuf_free (data);
    return ERR_OK;
}

static err_t on_connection (void * context, struct tcp_pcb * pcb, err_t error)
{
    (void) context, (void) error;
    hang_up ();
    const struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons (port), .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
    outside = socket (AF_INET, SOCK_STREAM, 0);
    expect (connect (outside, (const struct sockaddr *) & address, sizeof address) == 0);
    expect (fcntl (outside, F_SETFL, O_NONBLOCK) == 0);
    inside = pcb;
    upward_length = passed = 0;
    ++connections;
    tcp_nagle_disable (pcb);
    tcp_recv (pcb, on_data);
    tcp_err (pcb, on_gone);
    return ERR_OK;
}

static void relay (void)
{
    if (outside < 0) return;
    struct pollfd wait = { .fd = outside, .events = POLLIN };
    poll (& wait, 1, 1);
    if (upward_length > 0)
    {
        const ssize_t sent_now = send (outside, upward, upward_length, MSG_NOSIGNAL);
        if (sent_now > 0)
        {
            upward_length -= (uint32_t) sent_now;
            memmove (upward, upward + sent_now, upward_length);
        }
    }
    uint8_t bytes [1 + TCP_MSS];
    const uint32_t room = inside && tcp_sndqueuelen (inside) < TCP_SND_QUEUELEN - 3 ? tcp_sndbuf (inside) : 0;
    if (room == 0) return;
    const ssize_t got = recv (outside, bytes, 1 + draw (room < TCP_MSS ? room : TCP_MSS), 0);
    if (got < 0) return;
    if (got == 0)
    {
        hang_up ();
        return;
    }
    uint32_t length = (uint32_t) got;
    if (garbled - passed < length)
    {
        const uint32_t at = garbled - passed;
        if (draw (4)) bytes [at] ^= (uint8_t) (1 << draw (8));
        else memmove (bytes + at, bytes + at + 1, --length - at);
    }
    passed += (uint32_t) got;
    expect (tcp_write (inside, bytes, (u16_t) length, TCP_WRITE_FLAG_COPY) == ERR_OK);
    tcp_output (inside);
}

static bool is_ready (void)
{
    return hedge_net_port ()->ready (hedge_net_port ());
}

static void step (void)
{
    turn ();
    relay ();
}

static void echo (uint32_t count)
{
    static uint8_t frame [2144];
    for (uint32_t limit = now + 20000; ! is_ready (); step ()) if (now == limit || connections > 1) exit (1);
    for (uint32_t n = 0; n < count; ++n)
    {
        const uint32_t length = 1 + draw (sizeof frame);
        for (uint32_t i = 0; i < length; ++i) frame [i] = (uint8_t) (length + n + i);
        while (! hedge_net_port ()->send (hedge_net_port (), HEDGE_FRAME_EVENT, frame, length))
        {
            step ();
            expect (connections == 1);
        }
        if (n % 8 < 4) continue; /* some in a burst, some one by one */
        for (uint32_t limit = now + 20000; device.frames < n + 1; step ()) expect (now != limit && connections == 1);
        expect (device.type == HEDGE_FRAME_COMMAND && device.length == length && memcmp (device.bytes, frame, length) == 0);
    }
    for (uint32_t limit = now + 20000; device.frames < count; step ()) expect (now != limit && connections == 1);
    printf ("ok %u frames there and back\n", (unsigned) count);
}

static void garble (uint32_t first, uint32_t count)
{
    for (uint32_t n = first; n < first + count; ++n)
    {
        seed = n * 2654435761u + 1;
        hang_up ();
        cable = false;
        run (200);
        cable = true;
        const uint32_t before = connections;
        garbled = draw (1500);
        while (connections == before) turn ();
        for (uint32_t limit = now + 400; inside && now != limit && ! is_ready ();) step ();
    }
    garbled = UINT32_MAX;
    hang_up ();
    for (uint32_t limit = now + 60000; ! is_ready (); step ()) expect (now != limit);
    printf ("ok %u garbled connections\n", (unsigned) count);
}

int main (int count, char ** arguments)
{
    expect (count == 6 || count == 7);
    static uint8_t ca [4096];
    FILE * file = fopen (arguments [3], "rb");
    expect (file);
    const uint32_t ca_length = (uint32_t) fread (ca, 1, sizeof ca, file);
    fclose (file);
    port = (uint16_t) atoi (arguments [1]);
    hedge_config config = { .id = "dev-1", .transport = HEDGE_OVER_MQTT, .broker_port = BROKER_PORT, .tls = 1, .ca = { ca, ca_length } };
    snprintf (config.broker, sizeof config.broker, "%s", arguments [2]);
    setvbuf (stdout, NULL, _IOLBF, 0);

    /* The sanitizer's allocator instead of the pool: it sees what runs over a block. */
    hedge_crypto_start ();
    mbedtls_platform_set_calloc_free (calloc, free);

    device.takes = true;
    const bool echoes = strcmp (arguments [4], "echo") == 0;
    talks = echoes;
    start_net (& config, on_connection);
    if (echoes) echo ((uint32_t) atoi (arguments [5]));
    else garble ((uint32_t) atoi (arguments [5]), (uint32_t) atoi (arguments [6]));
    return 0;
}
