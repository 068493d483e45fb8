/** TLS for lwIP's MQTT client: one connection at a time, TLS 1.2, the broker's certificate and name verified, in static memory. */
#ifndef HEDGE_NET_TLS_H
#define HEDGE_NET_TLS_H

#include "config.h"

struct altcp_tls_config;

/** What `mqtt_connect_client_info_t` wants. NULL, with a line on the log, when certificates or key cannot be used. */
struct altcp_tls_config * hedge_tls_start (const hedge_config * config);
/** Goes on with the handshake, and ends what is to be ended. */
void hedge_tls_poll (void);
/** The time of day, in seconds from the epoch: from then on certificates must be valid at it. */
void hedge_tls_set_time (uint64_t seconds);

#endif
