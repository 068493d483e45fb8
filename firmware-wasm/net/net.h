/** The network port: DHCP, DNS, SNTP and MQTT (plain or TLS) on lwIP, polled from the main loop. */
#ifndef HEDGE_NET_H
#define HEDGE_NET_H

#include "config.h"
#include "device.h"

/** Starts; everything else happens in `hedge_net_poll`, which also reconnects with back-off (1 s doubled up to 30 s, spread by a quarter). */
void hedge_net_start (const hedge_config * config, hedge_device * device);
void hedge_net_poll (void);

/** Publishes by QoS 1; the last will is a retained "offline" on the status topic. */
hedge_port * hedge_net_port (void);

/** Says goodbye: "offline", then DISCONNECT, before a restart. */
void hedge_net_stop (void);

#endif
