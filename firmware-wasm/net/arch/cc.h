/** What lwIP asks of a compiler and a platform. */
#ifndef HEDGE_LWIP_CC_H
#define HEDGE_LWIP_CC_H

#include <stdint.h>

/** Bytes that nobody can guess: TCP sequence numbers, DNS and DHCP ids, ports, SNTP's nonce. */
uint32_t hedge_net_random (void);
#define LWIP_RAND() hedge_net_random ()

/** A broken invariant of lwIP: starts the board anew. */
_Noreturn void hedge_net_broken (void);
#define LWIP_PLATFORM_ASSERT(message) hedge_net_broken ()
#define LWIP_PLATFORM_DIAG(message)

#endif
