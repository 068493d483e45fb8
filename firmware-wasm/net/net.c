/**
 * From a link to a broker: an address by DHCP, the time by SNTP, the broker's address by DNS, then MQTT.
 *
 * All callbacks of lwIP only note what happened; what follows from it is done by hedge_net_poll, outside of them.
 */
#include "net.h"

#include <string.h>

#include "../boards/board.h"
#include "ethernet.h"
#include "log.h"
#include "lwip/apps/mqtt_priv.h"
#include "lwip/apps/sntp.h"
#include "lwip/dns.h"
#include "tls.h"

/** The largest frame that fits the MQTT client's buffer, packet header and the longest topic included. */
#define LARGEST_FRAME (HEDGE_PAYLOAD_BYTES + HEDGE_OFFLOAD_OVERHEAD)
_Static_assert (LARGEST_FRAME + 64 + 64 <= MQTT_OUTPUT_RINGBUF_SIZE, "a packet fits, and acknowledgements beside it");

/* Milliseconds. */
#define FIRST_WAIT 1000
#define LONGEST_WAIT 30000
/** A connection that lasted so long makes the next wait short again. */
#define STEADY 10000
/** From the first look for the broker's address to its acknowledgement of both subscriptions; a TLS handshake takes seconds. */
#define CONNECT_LIMIT 30000
#define GOODBYE_LIMIT 1000
/** Between two complaints that there is no time. */
#define PATIENCE 15000

/** Seconds without anything to send until the broker is asked for a sign of life; it is given up after half as long again. */
#define KEEP_ALIVE 10

#define PREFIX "hedge/v1/"
#define LONGEST_SUFFIX "/offload"

typedef enum {
    OFF,        /* no Ethernet, or nothing it may do there */
    WAITING,    /* for an address, and until `wait` is over */
    RESOLVING,
    CONNECTING, /* TCP, TLS, MQTT */
    SUBSCRIBING,
    READY
} state;

static struct {
    const hedge_config * config;
    hedge_device * device;
    state state;
    uint32_t since;        /* board_millis at which the state began; of CONNECTING and SUBSCRIBING, when RESOLVING did */
    uint32_t wait, next_wait;
    bool ethernet_was_up;
    bool time_asked, time_known;
    ip_addr_t broker;
    bool resolved;         /* what a callback noted, as those below */
    const char * failure;  /* why the connection is to be given up, or is gone */
    uint32_t granted;      /* subscriptions */
    bool receiving;        /* a frame that the device takes */
    char topic [sizeof PREFIX + sizeof ((hedge_config *) 0)->id + sizeof LONGEST_SUFFIX];
    size_t prefix_length;  /* of the topic: all but its last word */
} net;

static mqtt_client_t client;
static struct mqtt_connect_client_info_t client_info;

static void enter (state next)
{
    net.state = next;
    net.since = board_millis ();
}

static const char * topic_of (const char * word)
{
    strcpy (net.topic + net.prefix_length, word);
    return net.topic;
}

/* What the broker sends. */

static void on_publish (void * context, const char * topic, u32_t length)
{
    (void) context;
    net.receiving = false;
    if (strncmp (topic, net.topic, net.prefix_length) != 0) return;
    const char * word = topic + net.prefix_length;
    hedge_frame_type type;
    if (strcmp (word, "result") == 0) type = HEDGE_FRAME_RESULT;
    else if (strcmp (word, "command") == 0) type = HEDGE_FRAME_COMMAND;
    else return;
    net.receiving = hedge_device_frame_begin (net.device, hedge_net_port (), type, length);
}

static void on_data (void * context, const u8_t * bytes, u16_t length, u8_t flags)
{
    (void) context;
    if (! net.receiving) return;
    if (length > 0) hedge_device_frame_data (net.device, hedge_net_port (), bytes, length);
    if (! (flags & MQTT_DATA_FLAG_LAST)) return;
    net.receiving = false;
    hedge_device_frame_end (net.device, hedge_net_port ());
}

static void on_published (void * context, err_t error)
{
    (void) context;
    if (error != ERR_OK) net.failure = "the broker acknowledges nothing";
}

static void on_subscribed (void * context, err_t error)
{
    (void) context;
    if (error == ERR_OK) ++net.granted;
    else net.failure = "the broker grants no subscription";
}

static void on_connection (mqtt_client_t * of, void * context, mqtt_connection_status_t status)
{
    (void) of, (void) context;
    switch (status)
    {
        case MQTT_CONNECT_ACCEPTED: break;
        case MQTT_CONNECT_DISCONNECTED: net.failure = "connection lost"; break;
        case MQTT_CONNECT_TIMEOUT: net.failure = "the broker is silent"; break;
        case MQTT_CONNECT_REFUSED_IDENTIFIER: net.failure = "the broker refuses the device's name"; break;
        case MQTT_CONNECT_REFUSED_USERNAME_PASS:
        case MQTT_CONNECT_REFUSED_NOT_AUTHORIZED_: net.failure = "the broker does not authorise the device"; break;
        default: net.failure = "the broker refuses the connection"; break;
    }
}

static void on_address (const char * name, const ip_addr_t * address, void * context)
{
    (void) name, (void) context;
    if (net.state != RESOLVING) return;
    if (! address)
    {
        net.failure = "the broker's name has no address";
        return;
    }
    net.broker = * address;
    net.resolved = true;
}

/* The time. */

uint16_t hedge_net_time_port (void)
{
    return (uint16_t) net.config->time_port;
}

void hedge_net_time_is (uint32_t seconds, uint32_t micros)
{
    net.time_known = true;
    hedge_device_set_time (net.device, (uint64_t) seconds * 1000 + micros / 1000);
#if HEDGE_TLS
    hedge_tls_set_time (seconds);
#endif
}

static bool has_time_server (void)
{
    return net.config->time_server [0] != 0;
}

/* From state to state. */

/** Ends what there is of a connection, without a word to the broker, and waits before the next one. */
static void give_up (const char * why)
{
    const bool was_ready = net.state == READY;
    if (net.receiving) hedge_device_frame_abandon (net.device, hedge_net_port ());
    net.receiving = false;
    if (was_ready && board_millis () - net.since >= STEADY) net.next_wait = FIRST_WAIT;
    enter (WAITING);
    if (client.conn) altcp_abort (client.conn);
    const uint32_t quarter = net.next_wait / 4;
    net.wait = net.next_wait - quarter + LWIP_RAND () % (2 * quarter + 1);
    net.next_wait = LWIP_MIN (2 * net.next_wait, LONGEST_WAIT);
    hedge_log ("net: %s, next try in %u ms", why, (unsigned) net.wait);
}

static void start_connecting (void)
{
    enter (RESOLVING);
    net.failure = NULL;
    net.resolved = false;
    net.granted = 0;
    const err_t error = dns_gethostbyname (net.config->broker, & net.broker, on_address, NULL);
    if (error == ERR_OK) net.resolved = true;
    else if (error != ERR_INPROGRESS) net.failure = "the broker's name cannot be looked up";
}

static void connect (void)
{
    net.state = CONNECTING;
    topic_of ("status");
    if (mqtt_client_connect (& client, & net.broker, (u16_t) net.config->broker_port, on_connection, NULL, & client_info) != ERR_OK)
    {
        net.failure = "no room for a connection";
        return;
    }
    mqtt_set_inpub_callback (& client, on_publish, on_data, NULL);
    /* Nobody waits for a reply until the broker's machine has acknowledged the message before. */
    altcp_nagle_disable (client.conn);
}

static void subscribe (void)
{
    net.state = SUBSCRIBING;
    if (mqtt_subscribe (& client, topic_of ("result"), 1, on_subscribed, NULL) != ERR_OK
        || mqtt_subscribe (& client, topic_of ("command"), 1, on_subscribed, NULL) != ERR_OK) net.failure = "no room to subscribe";
}

static bool publish_status (const char * word)
{
    return mqtt_publish (& client, topic_of ("status"), word, (u16_t) strlen (word), 1, 1, on_published, NULL) == ERR_OK;
}

static void become_ready (void)
{
    hedge_log ("net: connected to %s", net.config->broker);
    hedge_device_connected (net.device);
    enter (READY);
}

/** What there is to do in a state, beside waiting. */
static void advance (void)
{
    const bool up = hedge_ethernet_up ();
    if (up && ! net.ethernet_was_up)
    {
        /* What failed without a network says nothing of the broker. */
        net.wait = 0;
        net.next_wait = FIRST_WAIT;
        /* Is the broker still there? Asked with the client's next tick. */
        client.cyclic_tick = KEEP_ALIVE;
        if (has_time_server () && ! net.time_asked) sntp_init ();
        net.time_asked = true;
    }
    net.ethernet_was_up = up;

    switch (net.state)
    {
        case WAITING:
            if (net.config->tls && has_time_server () && ! net.time_known)
            {
                if (! up || board_millis () - net.since < PATIENCE) break;
                hedge_log ("net: no time of day from %s yet, and certificates have dates", net.config->time_server);
                enter (WAITING);
                break;
            }
            if (up && board_millis () - net.since >= net.wait) start_connecting ();
            break;
        case RESOLVING:
            if (net.resolved) connect ();
            break;
        case CONNECTING:
            if (mqtt_client_is_connected (& client)) subscribe ();
            break;
        case SUBSCRIBING:
            if (net.granted == 2 && publish_status ("online")) become_ready ();
            break;
        default: break;
    }
    if (net.state > WAITING && net.state < READY && board_millis () - net.since >= CONNECT_LIMIT) net.failure = "the broker does not answer";
}

static void poll (void)
{
    hedge_ethernet_poll ();
#if HEDGE_TLS
    hedge_tls_poll ();
#endif
}

void hedge_net_poll (void)
{
    if (net.state == OFF) return;
    poll ();
    if (! net.failure) advance ();
    if (net.failure)
    {
        const char * why = net.failure;
        give_up (why);
        net.failure = NULL;
    }
}

void hedge_net_start (const hedge_config * config, hedge_device * device)
{
    net.config = config;
    net.device = device;
    net.next_wait = FIRST_WAIT;
    strcpy (net.topic, PREFIX);
    strcat (net.topic, config->id);
    strcat (net.topic, "/");
    net.prefix_length = strlen (net.topic);
    client_info = (struct mqtt_connect_client_info_t) {
        .client_id = config->id,
        .keep_alive = KEEP_ALIVE,
        .will_topic = net.topic,
        .will_msg = "offline",
        .will_qos = 1,
        .will_retain = 1,
    };
#if HEDGE_TLS
    if (config->tls && ! (client_info.tls_config = hedge_tls_start (config))) return;
#else
    if (config->tls)
    {
        hedge_log ("net: the broker is to be reached by TLS, which this firmware lacks");
        return;
    }
#endif
    if (! hedge_ethernet_start (config->id)) return;
    if (has_time_server ()) sntp_setservername (0, config->time_server);
    enter (WAITING);
}

/* The port. */

static bool ready (hedge_port * port)
{
    (void) port;
    return net.state == READY;
}

static bool send (hedge_port * port, hedge_frame_type type, const uint8_t * frame, uint32_t length)
{
    (void) port;
    if (net.state != READY || net.failure || length > LARGEST_FRAME) return false;
    const char * word = type == HEDGE_FRAME_OFFLOAD ? "offload" : type == HEDGE_FRAME_ANSWER ? "answer" : "event";
    return mqtt_publish (& client, topic_of (word), frame, (u16_t) length, 1, 0, on_published, NULL) == ERR_OK;
}

hedge_port * hedge_net_port (void)
{
    static hedge_port port = { .ready = ready, .online = ready, .send = send };
    return & port;
}

/* The end. */

static bool all_is_out (void)
{
    return client.output.put == client.output.get && altcp_sndqueuelen (client.conn) == 0;
}

void hedge_net_stop (void)
{
    static const uint8_t disconnect [] = { 0xE0, 0 };
    const uint32_t since = board_millis ();
    enum { OFFLINE, DISCONNECT, GONE } next = OFFLINE;
    while (net.state == READY && ! net.failure && board_millis () - since < GOODBYE_LIMIT)
    {
        poll ();
        if (net.failure || ! client.conn) break;
        if (next == OFFLINE && publish_status ("offline")) next = DISCONNECT;
        if (! all_is_out ()) continue;
        if (next == GONE) break;
        /* lwIP's client has no function that sends one. Behind it the broker forgets the last will. */
        if (next == DISCONNECT && altcp_write (client.conn, disconnect, sizeof disconnect, TCP_WRITE_FLAG_COPY) == ERR_OK)
        {
            altcp_output (client.conn);
            next = GONE;
        }
    }
    if (net.state != OFF && client.conn) altcp_abort (client.conn);
    net.state = OFF;
}
