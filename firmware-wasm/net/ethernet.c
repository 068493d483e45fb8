#include "ethernet.h"

#include <string.h>

#include "../boards/board.h"
#include "crypto.h"
#include "log.h"
#include "lwip/dhcp.h"
#include "lwip/etharp.h"
#include "lwip/init.h"
#include "lwip/netif.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/timeouts.h"
#include "netif/ethernet.h"

#define MTU 1500
#define LARGEST_FRAME (MTU + 14)
/** Received frames in one poll: a flood leaves time for everything else. */
#define FRAMES_PER_POLL 8
/** Between two looks at the link, in ms: on most controllers it takes some bus cycles. */
#define LINK_INTERVAL 100

static struct netif interface;
static uint32_t link_seen;

uint32_t sys_now (void)
{
    return board_millis ();
}

uint32_t hedge_net_random (void)
{
    uint32_t value;
    board_random ((uint8_t *) & value, sizeof value);
    return value;
}

void hedge_net_broken (void)
{
    /* A fault: the next start tells where it was. */
    __builtin_trap ();
}

static err_t transmit (struct netif * netif, struct pbuf * frame)
{
    (void) netif;
    if (! board_ethernet_send_begin (frame->tot_len)) return ERR_MEM;
    for (const struct pbuf * part = frame; part; part = part->next) board_ethernet_send (part->payload, part->len);
    board_ethernet_send_end ();
    return ERR_OK;
}

static void discard (size_t length)
{
    uint8_t scratch [64];
    while (length > 0)
    {
        const size_t piece = length < sizeof scratch ? length : sizeof scratch;
        board_ethernet_read (scratch, piece);
        length -= piece;
    }
}

static void receive (size_t length)
{
    struct pbuf * frame = length <= LARGEST_FRAME ? pbuf_alloc (PBUF_RAW, (u16_t) length, PBUF_POOL) : NULL;
    if (! frame)
    {
        discard (length);
        return;
    }
    for (struct pbuf * part = frame; part; part = part->next) board_ethernet_read (part->payload, part->len);
    if (interface.input (frame, & interface) != ERR_OK) pbuf_free (frame);
}

static err_t set_up (struct netif * netif)
{
    netif->name [0] = 'e';
    netif->name [1] = 'n';
    netif->mtu = MTU;
    netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET;
    netif->output = etharp_output;
    netif->linkoutput = transmit;
    return ERR_OK;
}

/** Locally administered, and the same at every start. */
static void address_of (const char * name, uint8_t o_mac [6])
{
    const uint32_t hash = hedge_crc32 (0, (const uint8_t *) name, (uint32_t) strlen (name));
    o_mac [0] = 0x02;
    o_mac [1] = 'H';
    memcpy (o_mac + 2, & hash, 4);
}

bool hedge_ethernet_start (const char * name)
{
    lwip_init ();
    address_of (name, interface.hwaddr);
    interface.hwaddr_len = 6;
    if (! board_ethernet_start (interface.hwaddr))
    {
        hedge_log ("net: the Ethernet controller does not answer");
        return false;
    }
    netif_add_noaddr (& interface, NULL, set_up, ethernet_input);
    netif_set_hostname (& interface, name);
    netif_set_default (& interface);
    netif_set_up (& interface);
    dhcp_start (& interface);
    return true;
}

static void watch_link (void)
{
    if (board_millis () - link_seen < LINK_INTERVAL) return;
    link_seen = board_millis ();
    const bool up = board_ethernet_link_up ();
    if (up == (bool) netif_is_link_up (& interface)) return;
    hedge_log ("net: link %s", up ? "up" : "down");
    if (up) netif_set_link_up (& interface);
    else netif_set_link_down (& interface);
}

void hedge_ethernet_poll (void)
{
    watch_link ();
    for (int n = 0; n < FRAMES_PER_POLL; ++n)
    {
        const size_t length = board_ethernet_next ();
        if (length == 0) break;
        receive (length);
    }
    /* What came is acknowledged at once: brokers that gather small messages (Nagle) send the next one only then. */
    tcp_fasttmr ();
    sys_check_timeouts ();
}

bool hedge_ethernet_up (void)
{
    return netif_is_link_up (& interface) && ! ip4_addr_isany_val (* netif_ip4_addr (& interface));
}
