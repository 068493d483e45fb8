/**
 * What a device is told once, in its flash: who it is, where the broker is, whom it trusts. Written by `hedge board` and `hedge flash`
 * (docs/firmware.md), never by the device.
 *
 * 16 bytes: magic "HDGC", format 1 (u32), length (u32), CRC-32 of what follows (u32), little-endian; then a flat msgpack array in the
 * order of the fields below. Pointers point into flash; texts are not terminated.
 */
#ifndef HEDGE_CONFIG_H
#define HEDGE_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#define HEDGE_CONFIG_MAGIC 0x43474448u /* "HDGC" */
#define HEDGE_CONFIG_FORMAT 1

typedef struct {
    const uint8_t * bytes;
    uint32_t length;
} hedge_blob;

typedef enum { HEDGE_OVER_UART = 0, HEDGE_OVER_MQTT = 1 } hedge_transport_kind;

typedef struct {
    char id [24];               /* the device's name: MQTT client id */
    hedge_transport_kind transport;
    char broker [64];           /* host name or address */
    uint32_t broker_port;
    uint32_t tls;               /* 1: TLS with verification */
    hedge_blob ca;              /* X.509 DER; empty without TLS */
    hedge_blob certificate;     /* the client's own; empty for none */
    hedge_blob key;             /* its private key, DER */
    char time_server [64];      /* SNTP; empty: time comes over the link */
    uint32_t time_port;
    hedge_blob signer [2];      /* trusted public keys, 65 bytes each; the second may be empty */
    uint32_t deadline_ms;       /* from the edge's answer; default 10,000 */
    uint32_t retry_first_ms, retry_longest_ms; /* default 500, 8,000 */
    uint32_t confirm_ms;        /* a trial that is not confirmed by then is given up; default 60,000 */
} hedge_config;

/** False when there is none, or it is damaged. */
bool hedge_config_read (const uint8_t * area, uint32_t area_bytes, hedge_config * o_config);
/** Of a board that was told nothing: it answers over its link, and trusts nobody. */
void hedge_config_blank (hedge_config * o_config);

#endif
