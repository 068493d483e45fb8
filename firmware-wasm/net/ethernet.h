/** The network interface: lwIP's on the board's Ethernet controller. */
#ifndef HEDGE_NET_ETHERNET_H
#define HEDGE_NET_ETHERNET_H

#include <stdbool.h>

/** Starts lwIP, its interface, and DHCP. The MAC address is made of the device's name, which DHCP servers are told, too. False when the controller is dead. */
bool hedge_ethernet_start (const char * name);
/** Looks at the link, takes in what was received, a bounded number of frames, and runs lwIP's timers. */
void hedge_ethernet_poll (void);
/** Whether there is a link, and an address. */
bool hedge_ethernet_up (void);

#endif
